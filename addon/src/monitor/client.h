// Owns one attached client: what waits for it, what it typed, its detach keys, its end. Its session's output and stdin are in session.h.
#pragma once

#include "../sys/unique_fd.h"
#include "buffer.h"
#include "loop.h"

namespace tsd {

struct Monitor;
struct Session;

/// While so much waits for a client, its session's output is not read.
constexpr size_t kClientBuffer = 1024 * 1024;
constexpr size_t kDetachKeysLimit = 64;

struct Client {
  Client *next = nullptr;
  Monitor *monitor = nullptr;
  Session *session = nullptr;
  char id[64];  // the daemon's name for it, in bytes that mean nothing here
  size_t id_size = 0;
  UniqueFd fd;
  Watch watch;
  unsigned streams = 0;
  bool multiplexed = false;
  Queue out;            // for the client
  Queue in;             // for the session's stdin, after the detach keys have been looked for
  bool input_ended = false;  // the client has sent its last byte
  bool input_done = false;   // and that has been acted upon; nothing is read from it any more
  bool hung_up = false;      // nothing can be sent to it any more
  bool ending = false;       // gone as soon as `out` is empty
  bool gone = false;         // to be freed between two rounds
  const char *reason = "";
  char keys[kDetachKeysLimit];
  size_t key_count = 0;
  size_t key_at = 0;  // so many keys of the sequence have been seen and are held back
};

/// Starts watching; `greeting` is sent first, `input` counts as typed.
void client_start(Client &client, const char *greeting, size_t greeting_size, const char *input, size_t input_size);
/// Hands a piece of output to the client (`stream` as in the protocol).
void client_deliver(Client &client, unsigned stream, const char *bytes, size_t count);
bool client_full(const Client &client);
/// Moves input on as far as the session's stdin takes it, then waits for what is missing.
void client_pump(Client &client);
/// Lets it go after what waits for it has been read.
void client_end(Client &client, const char *reason);
/// Lets it go now and tells the daemon.
void client_drop(Client &client, const char *reason);
/// As client_drop(), but the connection is only closed here: it goes on where somebody else holds it.
void client_release(Client &client);

}  // namespace tsd
