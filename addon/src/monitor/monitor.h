// Owns what the monitor is in: idle, launched, running, exited; what each message does; when it leaves.
#pragma once

#include "../sys/unique_fd.h"
#include "channel.h"
#include "daemon_link.h"
#include "log.h"
#include "loop.h"
#include "protocol.h"
#include "record.h"
#include "session.h"

namespace tsd {

/// The second way in, in the run directory.
constexpr char kSocketName[] = "monitor.sock";

struct Monitor {
  Loop loop;
  DaemonLink link;
  MonitorState state = MonitorState::idle;
  bool leaving = false;  // nothing to do any more but to be heard

  char id[128] = "";
  UniqueFd run_directory;
  UniqueFd listener;
  Watch listener_watch;
  uint64_t listener_inode = 0;

  UniqueFd child_signal;  // signalfd of SIGCHLD
  Watch child_watch;
  bool child_ended = false;  // look for one that nobody knows

  Log log;
  bool logging = false;
  uint64_t log_lost_told = 0;
  uint64_t log_told_at = 0;  // ms, monotonic

  // Sockets that outlive the daemon which made them.
  static constexpr size_t kHeldLimit = 8;
  UniqueFd held[kHeldLimit];

  Session *container = nullptr;  // first of the list of sessions
  ProcessMark mark;
};

/// Serves until there is nothing left to do. `control`: the daemon's connection.
void monitor_run(Monitor &monitor, UniqueFd control);

// Called by the other parts.

/// The session that a message names; the container when it names none; nullptr when there is none.
Session *monitor_session(Monitor &monitor, const Fields &fields);
/// From now on only what has been said and written already is brought to its end.
void monitor_leave(Monitor &monitor);
/// Somebody connected to the listening socket.
void monitor_accept(void *monitor, uint32_t events);
void monitor_process_ended(Session &session);
void monitor_channel_ready(Session &session);
void monitor_client_gone(Monitor &monitor, Client &client, const char *reason);

}  // namespace tsd
