// Owns one process with its standard streams: the container's PID 1 or an exec. Clients hang on it.
#pragma once

#include <sys/types.h>

#include "../sys/unique_fd.h"
#include "client.h"
#include "loop.h"

namespace tsd {

struct Monitor;
struct Session;

/// One of a session's outputs: a pipe or the terminal's master.
struct Output {
  Session *session = nullptr;
  unsigned stream = 0;  // as in the protocol
  UniqueFd fd;
  Watch watch;
};

enum class SessionState { launching, running, exited };

struct Session {
  Session *next = nullptr;
  Monitor *monitor = nullptr;
  char *exec = nullptr;  // its id; nullptr: the container itself
  bool tty = false;
  bool open_stdin = false;
  bool stdin_once = false;
  SessionState state = SessionState::launching;
  bool gone = false;  // to be freed between two rounds

  pid_t pid = 0;
  UniqueFd process;  // pidfd
  Watch process_watch;
  UniqueFd first_process;  // exec: the first child, until it has left

  UniqueFd channel;  // closed once the exec has succeeded
  Watch channel_watch;
  // The daemon has said its word; `terminal_first`: it is passed on when the terminal has come.
  bool go = false;
  bool terminal_first = false;
  bool executing = false;  // the child has said that only the exec is left
  bool failed = false;

  Output outputs[2];
  UniqueFd slave;  // held, so that the terminal outlives a program that closes and opens it again
  UniqueFd stdin_fd;
  Watch stdin_watch;
  unsigned short rows = 0, columns = 0;  // asked for before there was a terminal

  Client *clients = nullptr;

  ~Session();
};

void session_configure(Session &session, Monitor &monitor);
/// Watches what has been made for it.
void session_watch(Session &session);
/// The terminal has come from the child.
void session_take_terminal(Session &session, UniqueFd master);
/// Stops or goes on reading output, by whether all clients have room.
void session_balance(Session &session);
/// Reads what is in the outputs now, without waiting for their end, and closes them.
void session_drain(Session &session);
void session_close_stdin(Session &session);
/// True when a client's end of input closes stdin.
bool session_stdin_closes(const Session &session);
void session_resize(Session &session, unsigned short rows, unsigned short columns);
/// Lets all clients go after they have read what waits for them.
void session_end_clients(Session &session, const char *reason);
/// Lets all clients go at once without a shutdown: whoever holds their connections too can go on with them.
void session_release_clients(Session &session);
/// Frees clients that are gone. True when there are none left.
bool session_sweep(Session &session);
/// Waits for the process without blocking. True when it has ended.
bool session_reap(Session &session, int *code, int *signal);
void session_kill(Session &session, int signal);

}  // namespace tsd
