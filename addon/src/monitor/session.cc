// Owns one process with its standard streams.
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../sys/pty.h"
#include "log.h"
#include "monitor.h"
#include "protocol.h"

namespace tsd {

namespace {

// A bound for what is read after the process has ended, should somebody outside still write: the largest pipe without privilege.
constexpr size_t kDrainLimit = 2 * 1024 * 1024;

void close_output(Output &output) {
  if (!output.fd.valid()) return;
  output.session->monitor->loop.pause(output.watch);
  output.watch.fd = -1;
  output.fd.reset();
}

// One read. The bytes, 0 at the end (closed then), -1 when there is nothing now.
ssize_t read_output(Output &output) {
  ssize_t count;
  do {
    count = read(output.fd.get(), scratch, sizeof scratch);
  } while (count < 0 && errno == EINTR);
  if (count < 0 && errno == EAGAIN) return -1;
  if (count <= 0) {
    // EIO: no slave of the terminal is open, not even the one held here. Its end is the end of the process.
    if (output.session->tty && output.session->state != SessionState::exited) {
      output.session->monitor->loop.pause(output.watch);
      return -1;
    }
    close_output(output);
    return 0;
  }
  Session &session = *output.session;
  Monitor &monitor = *session.monitor;
  auto size = static_cast<size_t>(count);
  if (!session.exec && monitor.logging) monitor.log.output(output.stream == stream::stderr_, scratch, size, now_ns());
  for (Client *client = session.clients; client; client = client->next) client_deliver(*client, output.stream, scratch, size);
  return count;
}

void output_ready(void *owner, uint32_t) {
  auto &output = *static_cast<Output *>(owner);
  if (read_output(output) > 0) session_balance(*output.session);
}

void stdin_ready(void *owner, uint32_t) {
  auto &session = *static_cast<Session *>(owner);
  session.monitor->loop.pause(session.stdin_watch);
  for (Client *client = session.clients; client; client = client->next) client_pump(*client);
}

void process_ready(void *owner, uint32_t) { monitor_process_ended(*static_cast<Session *>(owner)); }

void channel_ready(void *owner, uint32_t) { monitor_channel_ready(*static_cast<Session *>(owner)); }

void watch_output(Output &output) {
  if (!output.fd.valid()) return;
  output.watch.fd = output.fd.get();
  output.session->monitor->loop.want(output.watch, EPOLLIN);
}

}  // namespace

Session::~Session() { free(exec); }

void session_configure(Session &session, Monitor &monitor) {
  session.monitor = &monitor;
  session.process_watch.owner = &session;
  session.process_watch.ready = process_ready;
  session.channel_watch.owner = &session;
  session.channel_watch.ready = channel_ready;
  session.stdin_watch.owner = &session;
  session.stdin_watch.ready = stdin_ready;
  for (int i = 0; i < 2; i++) {
    session.outputs[i].session = &session;
    session.outputs[i].stream = i == 0 ? stream::stdout_ : stream::stderr_;
    session.outputs[i].watch.owner = &session.outputs[i];
    session.outputs[i].watch.ready = output_ready;
  }
}

void session_watch(Session &session) {
  session.channel_watch.fd = session.channel.get();
  session.monitor->loop.want(session.channel_watch, EPOLLIN);
  session.process_watch.fd = session.process.get();
  session.monitor->loop.want(session.process_watch, EPOLLIN);
  session.stdin_watch.fd = session.stdin_fd.get();
  for (Output &output : session.outputs) watch_output(output);
}

void session_take_terminal(Session &session, UniqueFd master) {
  fcntl(master.get(), F_SETFL, fcntl(master.get(), F_GETFL) | O_NONBLOCK);
  session.slave.reset(open_slave(master.get()));
  // Two numbers for one terminal: reading and writing are waited for apart.
  if (session.open_stdin) {
    session.stdin_fd.reset(fcntl(master.get(), F_DUPFD_CLOEXEC, 3));
    session.stdin_watch.fd = session.stdin_fd.get();
  }
  session.outputs[0].fd = static_cast<UniqueFd &&>(master);
  if (session.rows || session.columns) set_window_size(session.outputs[0].fd.get(), session.rows, session.columns);
  watch_output(session.outputs[0]);
  session_balance(session);
  for (Client *client = session.clients; client; client = client->next) client_pump(*client);
}

void session_balance(Session &session) {
  bool full = false;
  for (Client *client = session.clients; client; client = client->next) full = full || client_full(*client);
  for (Output &output : session.outputs) {
    if (!output.fd.valid()) continue;
    if (full) {
      session.monitor->loop.pause(output.watch);
    } else {
      session.monitor->loop.want(output.watch, EPOLLIN);
    }
  }
}

void session_drain(Session &session) {
  session.slave.reset();
  for (Output &output : session.outputs) {
    size_t total = 0;
    while (output.fd.valid() && total < kDrainLimit) {
      ssize_t count = read_output(output);
      if (count <= 0) break;
      total += static_cast<size_t>(count);
    }
    close_output(output);
  }
}

void session_close_stdin(Session &session) {
  // A terminal has no end of its own; its two descriptors go together at the end of the session.
  if (session.tty && session.state != SessionState::exited) return;
  session.monitor->loop.pause(session.stdin_watch);
  session.stdin_watch.fd = -1;
  session.stdin_fd.reset();
}

bool session_stdin_closes(const Session &session) { return !session.tty && (session.exec || session.stdin_once); }

void session_resize(Session &session, unsigned short rows, unsigned short columns) {
  session.rows = rows;
  session.columns = columns;
  if (session.tty && session.outputs[0].fd.valid()) set_window_size(session.outputs[0].fd.get(), rows, columns);
}

void session_end_clients(Session &session, const char *reason) {
  for (Client *client = session.clients; client; client = client->next) client_end(*client, reason);
}

void session_release_clients(Session &session) {
  for (Client *client = session.clients; client; client = client->next) client_release(*client);
}

bool session_sweep(Session &session) {
  bool freed = false;
  for (Client **link = &session.clients; *link;) {
    Client *client = *link;
    if (!client->gone) {
      link = &client->next;
      continue;
    }
    *link = client->next;
    client->~Client();
    free(client);
    freed = true;
  }
  if (freed) session_balance(session);
  return session.clients == nullptr;
}

bool session_reap(Session &session, int *code, int *signal) {
  siginfo_t info = {};
  // P_PIDFD: a pid could name another process by now. __WALL: a second child has no exit signal of its own.
  if (syscall(SYS_waitid, P_PIDFD, session.process.get(), &info, WEXITED | WNOHANG | __WALL, nullptr) != 0) {
    // Somebody else has taken the status; there is nobody who could, but never wait for ever.
    *code = 255;
    *signal = 0;
    return errno == ECHILD;
  }
  if (info.si_pid == 0) return false;
  bool killed = info.si_code != CLD_EXITED;
  *signal = killed ? info.si_status : 0;
  *code = killed ? 128 + info.si_status : info.si_status;
  return true;
}

void session_kill(Session &session, int signal) {
  if (session.process.valid()) syscall(SYS_pidfd_send_signal, session.process.get(), signal, nullptr, 0);
}

}  // namespace tsd
