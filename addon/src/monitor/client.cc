// Owns one attached client. Nothing here waits: what cannot be written now waits in a queue of its own.
#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "monitor.h"
#include "protocol.h"
#include "session.h"

namespace tsd {

namespace {

// Input that one call moves: other descriptors have their turn too.
constexpr size_t kInputPiece = 16 * 1024;

bool wants_input(const Client &client) {
  return (client.streams & stream::stdin_) && client.session->open_stdin && !client.input_done;
}

void watch_again(Client &client) {
  if (client.gone) return;
  uint32_t events = 0;
  // A terminal that is still to come cannot take input; neither can a stdin that is full.
  bool can_read = client.session->stdin_fd.valid() || client.session->state == SessionState::exited || !client.session->tty;
  if (wants_input(client) && !client.input_ended && client.in.empty() && can_read) events |= EPOLLIN;
  if (!client.out.empty()) events |= EPOLLOUT;
  if (client.hung_up) {
    client.monitor->loop.pause(client.watch);
  } else {
    client.monitor->loop.want(client.watch, events);
  }
}

// Nothing more can be sent. What the client had typed before still counts.
void hang_up(Client &client) {
  client.hung_up = true;
  client.out.clear();
  client_pump(client);
  if (client.gone) return;
  if (!wants_input(client)) client_drop(client, client.ending ? client.reason : "eof");
}

void flush(Client &client) {
  bool was_full = client_full(client);
  while (!client.out.empty()) {
    ssize_t count = write(client.fd.get(), client.out.data(), client.out.size());
    if (count < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) break;
      hang_up(client);
      return;
    }
    client.out.consume(static_cast<size_t>(count));
  }
  if (was_full && !client_full(client)) session_balance(*client.session);
  if (client.out.empty() && client.ending) {
    client_drop(client, client.reason);
    return;
  }
  watch_again(client);
}

// Longest beginning of the detach keys that the held-back keys followed by `byte` end with.
size_t next_key(const Client &client, char byte) {
  size_t held = client.key_at;
  for (size_t length = held + 1; length > 0; length--) {
    // The last `length` bytes of keys[0..held) + byte against keys[0..length).
    if (client.keys[length - 1] == byte && memcmp(client.keys, client.keys + held - (length - 1), length - 1) == 0) return length;
  }
  return 0;
}

// Looks for the detach keys and queues the rest as input. True when the sequence is complete.
bool take_input(Client &client, const char *bytes, size_t count) {
  if (client.key_count == 0 || !client.session->tty) {
    client.in.append(bytes, count);
    return false;
  }
  size_t start = 0;
  for (size_t i = 0; i < count; i++) {
    size_t held = client.key_at;
    size_t at = next_key(client, bytes[i]);
    if (at == 0 && held == 0) continue;
    // What was plain input up to here goes on; of the held-back keys those that the new state does not hold any more.
    if (held == 0) {
      client.in.append(bytes + start, i - start);
    }
    size_t released = held + 1 - at;
    if (released > 0) {
      size_t of_keys = released < held ? released : held;
      client.in.append(client.keys, of_keys);
      if (released > held) client.in.append(bytes + i, 1);
    }
    client.key_at = at;
    start = i + 1;
    if (at == client.key_count) return true;
  }
  if (client.key_at == 0) client.in.append(bytes + start, count - start);
  return false;
}

// The client's last byte has been passed on.
void finish_input(Client &client) {
  client.input_done = true;
  Session &session = *client.session;
  if (session_stdin_closes(session)) {
    session_close_stdin(session);
    if (client.hung_up) {
      client_drop(client, "eof");
    } else {
      watch_again(client);
    }
    return;
  }
  // As dockerd: where the end of input closes nothing it ends the attachment.
  client_end(client, "eof");
}

void ready(void *owner, uint32_t events) {
  auto &client = *static_cast<Client *>(owner);
  if (client.gone) return;
  if (events & EPOLLOUT) flush(client);
  if (client.gone) return;
  if (events & EPOLLIN) client_pump(client);
  if (client.gone) return;
  if (events & (EPOLLHUP | EPOLLERR)) hang_up(client);
}

// Writes what waits to the session's stdin. True when nothing waits any more.
bool write_input(Client &client) {
  Session &session = *client.session;
  while (!client.in.empty()) {
    if (!session.stdin_fd.valid()) {
      // Closed, or the terminal is still to come.
      if (session.tty && session.state == SessionState::launching) return false;
      client.in.clear();
      return true;
    }
    ssize_t count = write(session.stdin_fd.get(), client.in.data(), client.in.size());
    if (count < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) {
        client.monitor->loop.want(session.stdin_watch, EPOLLOUT);
        return false;
      }
      // The program has closed its stdin: further input is read and thrown away.
      client.in.clear();
      return true;
    }
    client.in.consume(static_cast<size_t>(count));
  }
  return true;
}

}  // namespace

void client_start(Client &client, const char *greeting, size_t greeting_size, const char *input, size_t input_size) {
  fcntl(client.fd.get(), F_SETFL, fcntl(client.fd.get(), F_GETFL) | O_NONBLOCK);
  client.watch.fd = client.fd.get();
  client.watch.owner = &client;
  client.watch.ready = ready;
  client.out.append(greeting, greeting_size);
  if (wants_input(client) && take_input(client, input, input_size)) {
    client_end(client, "keys");
    return;
  }
  flush(client);
  if (!client.gone) client_pump(client);
}

bool client_full(const Client &client) { return !client.gone && client.out.size() >= kClientBuffer; }

void client_deliver(Client &client, unsigned stream, const char *bytes, size_t count) {
  if (client.gone || client.ending || client.hung_up || !(client.streams & stream)) return;
  unsigned char header[8] = {static_cast<unsigned char>(stream == stream::stderr_ ? 2 : 1), 0, 0, 0,
                             static_cast<unsigned char>(count >> 24), static_cast<unsigned char>(count >> 16),
                             static_cast<unsigned char>(count >> 8), static_cast<unsigned char>(count)};
  size_t header_size = client.multiplexed ? sizeof header : 0;
  size_t done = 0;
  if (client.out.empty()) {
    struct iovec pieces[2] = {{header, header_size}, {const_cast<char *>(bytes), count}};
    ssize_t written = writev(client.fd.get(), pieces, 2);
    if (written < 0 && errno != EAGAIN && errno != EINTR) {
      hang_up(client);
      return;
    }
    if (written > 0) done = static_cast<size_t>(written);
    if (done == header_size + count) return;
  }
  bool queued = true;
  if (done < header_size) {
    queued = client.out.append(header + done, header_size - done) && client.out.append(bytes, count);
  } else {
    queued = client.out.append(bytes + (done - header_size), count - (done - header_size));
  }
  if (!queued) {
    client_drop(client, "error");
    return;
  }
  watch_again(client);
}

void client_pump(Client &client) {
  if (client.gone) return;
  Session &session = *client.session;
  if (!wants_input(client) || client.ending) {
    watch_again(client);
    return;
  }
  for (bool more = true; more;) {
    if (!write_input(client)) break;
    if (client.input_ended) {
      finish_input(client);
      return;
    }
    if (session.tty && !session.stdin_fd.valid() && session.state == SessionState::launching) break;
    char piece[kInputPiece];
    ssize_t count = read(client.fd.get(), piece, sizeof piece);
    if (count < 0 && errno == EINTR) continue;
    // A client that hears nothing any more and has said nothing more has ended.
    if (count < 0 && errno == EAGAIN && !client.hung_up) break;
    if (count <= 0) {
      client.input_ended = true;
      // Keys that were held back were no detach sequence.
      client.in.append(client.keys, client.key_at);
      client.key_at = 0;
      continue;
    }
    if (take_input(client, piece, static_cast<size_t>(count))) {
      write_input(client);
      client.in.clear();
      client_end(client, "keys");
      return;
    }
    // One piece a turn, unless nobody will call again because the descriptor is not watched any more.
    more = client.hung_up;
    if (!more) write_input(client);
  }
  watch_again(client);
}

void client_end(Client &client, const char *reason) {
  if (client.gone || client.ending) return;
  client.ending = true;
  client.reason = reason;
  client.input_done = true;
  if (client.hung_up) {
    client_drop(client, reason);
    return;
  }
  flush(client);
}

void client_drop(Client &client, const char *reason) {
  if (client.gone) return;
  client.gone = true;
  client.monitor->loop.pause(client.watch);
  // Unread input at the close would show at the other end as a reset instead of an end.
  shutdown(client.fd.get(), SHUT_RDWR);
  for (int i = 0; i < 64 && recv(client.fd.get(), scratch, 4096, MSG_DONTWAIT) > 0; i++) {
  }
  client.fd.reset();
  client.out.clear();
  client.in.clear();
  monitor_client_gone(*client.monitor, client, reason);
}

void client_release(Client &client) {
  if (client.gone) return;
  client.gone = true;
  client.monitor->loop.pause(client.watch);
  client.fd.reset();
  client.out.clear();
  client.in.clear();
  monitor_client_gone(*client.monitor, client, "error");
}

}  // namespace tsd
