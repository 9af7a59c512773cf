// Owns what the monitor is in: messages handed on, clients, ends, the loop and the leaving. Starts are in start.cc.
#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../sys/socket.h"
#include "../sys/text.h"
#include "make.h"
#include "start.h"

namespace tsd {

namespace {

constexpr int kIdleAfterMs = 1000;
constexpr uint64_t kLogErrorEveryMs = 1000;

uint64_t monotonic_ms() {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1000000;
}

// At most once a second, and only when more has been lost.
void tell_log_errors(Monitor &monitor) {
  if (monitor.log.lost() == monitor.log_lost_told) return;
  uint64_t now = monotonic_ms();
  if (monitor.log_told_at != 0 && now - monitor.log_told_at < kLogErrorEveryMs) return;
  monitor.log_told_at = now;
  monitor.log_lost_told = monitor.log.lost();
  FrameWriter frame(message::log_error);
  frame.number(field::errno_, static_cast<uint64_t>(monitor.log.lost_error())).number(field::lost, monitor.log_lost_told);
  monitor.link.send(frame);
}

void say_hello(Monitor &monitor) {
  FrameWriter frame(message::hello);
  frame.number(field::version, kProtocolVersion).text(field::id, monitor.id);
  frame.number(field::state, static_cast<uint64_t>(monitor.state)).number(field::monitor_pid, static_cast<uint64_t>(getpid()));
  if (monitor.state == MonitorState::running || monitor.state == MonitorState::exited) {
    frame.number(field::pid, static_cast<uint64_t>(monitor.mark.pid)).number(field::start_time, monitor.mark.start_time);
    frame.number(field::started_at, monitor.mark.started_at);
  }
  Queue ids, pids;
  for (Session *session = monitor.container; session; session = session->next) {
    // One that is being started and has its word will say how that went.
    bool lives = session->state == SessionState::running || (session->state == SessionState::launching && session->go);
    if (!session->exec || session->gone || !lives) continue;
    Text<24> pid;
    if (session->state == SessionState::running) pid.add_number(static_cast<uint64_t>(session->pid));
    else pid.add("0");
    if (!ids.empty()) {
      ids.append(" ", 1);
      pids.append(" ", 1);
    }
    ids.append(session->exec, strlen(session->exec));
    pids.append(pid.text(), pid.length());
  }
  Queue held;
  for (const UniqueFd &fd : monitor.held) {
    if (!fd.valid()) continue;
    Text<24> number;
    number.add_number(static_cast<uint64_t>(fd.get()));
    if (!held.empty()) held.append(" ", 1);
    held.append(number.text(), number.length());
  }
  frame.bytes(field::held, held.data(), held.size());
  frame.bytes(field::execs, ids.data(), ids.size()).bytes(field::exec_pids, pids.data(), pids.size());
  monitor.link.send(frame);
}

// ---- clients

void handle_attach(Monitor &monitor, ReceivedFrame &frame) {
  size_t id_size = 0;
  const char *id = frame.fields.bytes(field::client, &id_size);
  Session *session = monitor_session(monitor, frame.fields);
  bool good = session && frame.fd_count == 1 && id && id_size <= sizeof Client::id;
  Client *client = good ? make<Client>() : nullptr;
  if (!client) {
    FrameWriter answer(message::detached);
    answer.bytes(field::client, id, id ? id_size : 0).text(field::reason, "error");
    monitor.link.send(answer);
    return;
  }
  client->monitor = &monitor;
  client->session = session;
  memcpy(client->id, id, id_size);
  client->id_size = id_size;
  client->fd = static_cast<UniqueFd &&>(frame.fds[0]);
  client->streams = static_cast<unsigned>(frame.fields.number(field::streams));
  client->multiplexed = frame.fields.number(field::multiplexed) != 0;
  size_t keys = 0, greeting = 0, input = 0;
  const char *key_bytes = frame.fields.bytes(field::detach_keys, &keys);
  if (key_bytes && keys <= sizeof client->keys) {
    memcpy(client->keys, key_bytes, keys);
    client->key_count = keys;
  }
  const char *greeting_bytes = frame.fields.bytes(field::greeting, &greeting);
  const char *input_bytes = frame.fields.bytes(field::input, &input);
  client->next = session->clients;
  session->clients = client;
  client_start(*client, greeting_bytes, greeting_bytes ? greeting : 0, input_bytes, input_bytes ? input : 0);
  if (session->state == SessionState::exited || monitor.leaving) client_end(*client, "eof");
}

void handle_detach(Monitor &monitor, const Fields &fields) {
  size_t size = 0;
  const char *id = fields.bytes(field::client, &size);
  if (!id) return;
  for (Session *session = monitor.container; session; session = session->next) {
    for (Client *client = session->clients; client; client = client->next) {
      if (client->id_size == size && memcmp(client->id, id, size) == 0 && !client->gone) client_end(*client, "eof");
    }
  }
}

// In the place of what was held before. The next daemon learns the numbers from the hello, and takes duplicates by pidfd_getfd.
void handle_hold(Monitor &monitor, ReceivedFrame &frame) {
  for (size_t i = 0; i < Monitor::kHeldLimit; i++) {
    monitor.held[i].reset();
    if (i < frame.fd_count) monitor.held[i] = static_cast<UniqueFd &&>(frame.fds[i]);
  }
}

void received(void *owner, ReceivedFrame &frame) {
  auto &monitor = *static_cast<Monitor *>(owner);
  switch (frame.type) {
    case message::launch:
      handle_launch(monitor, frame);
      return;
    case message::go:
      handle_go(monitor, frame.fields);
      return;
    case message::attach:
      handle_attach(monitor, frame);
      return;
    case message::exec:
      handle_exec(monitor, frame);
      return;
    case message::detach:
      handle_detach(monitor, frame.fields);
      return;
    case message::hold:
      handle_hold(monitor, frame);
      return;
    default:
      break;
  }
  Session *session = monitor_session(monitor, frame.fields);
  if (!session || session->state == SessionState::exited) return;
  switch (frame.type) {
    case message::signal:
      session_kill(*session, static_cast<int>(frame.fields.number(field::signal)));
      return;
    case message::resize:
      session_resize(*session, static_cast<unsigned short>(frame.fields.number(field::rows)),
                     static_cast<unsigned short>(frame.fields.number(field::columns)));
      return;
    case message::close_stdin:
      session_close_stdin(*session);
      return;
    default:
      // A message of a newer daemon.
      return;
  }
}

void connection_ended(void *owner) {
  auto &monitor = *static_cast<Monitor *>(owner);
  // Nobody will ever say go to what still waits for it.
  for (Session *session = monitor.container; session; session = session->next) {
    if (session->state != SessionState::launching || session->go) continue;
    if (session->exec) {
      // Not killed: its first process may be about to hand over the second, which nobody else knows. Both end at this word.
      shutdown(session->channel.get(), SHUT_WR);
    } else {
      session_kill(*session, SIGKILL);
    }
  }
  if (monitor.state == MonitorState::idle || (monitor.container && monitor.state == MonitorState::launched && !monitor.container->go)) {
    monitor_leave(monitor);
  }
}

// ---- ends

void container_exited(Monitor &monitor, int code, int signal) {
  Session &session = *monitor.container;
  uint64_t finished_at = now_ns();
  session.state = SessionState::exited;
  session_drain(session);
  if (monitor.logging) monitor.log.finish(now_ns());
  // The last word on what was lost comes before the end.
  monitor.log_told_at = 0;
  tell_log_errors(monitor);
  session_close_stdin(session);
  monitor.state = MonitorState::exited;
  write_exit_record(monitor.run_directory.get(), monitor.mark, finished_at, code, signal);
  FrameWriter frame(message::exited);
  frame.number(field::code, static_cast<uint64_t>(code)).number(field::signal, static_cast<uint64_t>(signal));
  frame.number(field::finished_at, finished_at);
  monitor.link.send(frame);
  // Sessions that are left share no pid namespace with PID 1. They end with it all the same.
  for (Session *other = session.next; other; other = other->next) {
    if (other->state != SessionState::exited) session_kill(*other, SIGKILL);
  }
  monitor_leave(monitor);
}

void exec_exited(Session &session, int code, int signal) {
  Monitor &monitor = *session.monitor;
  session.state = SessionState::exited;
  session_drain(session);
  session_close_stdin(session);
  // Where it lasts, until a daemon has taken it in and removes it.
  write_exec_record(monitor.run_directory.get(), session.exec, code, signal);
  FrameWriter frame(message::exec_exited);
  frame.text(field::exec, session.exec).number(field::code, static_cast<uint64_t>(code));
  frame.number(field::signal, static_cast<uint64_t>(signal));
  monitor.link.send(frame);
  session.gone = true;
  session_end_clients(session, "eof");
}

// ---- the loop

void sweep(Monitor &monitor) {
  if (!monitor.container) return;
  session_sweep(*monitor.container);
  for (Session **link = &monitor.container->next; *link;) {
    Session *session = *link;
    if (session_sweep(*session) && session->gone) {
      *link = session->next;
      monitor.loop.pause(session->process_watch);
      destroy(session);
    } else {
      link = &session->next;
    }
  }
}

void child_ready(void *owner, uint32_t) {
  auto &monitor = *static_cast<Monitor *>(owner);
  struct signalfd_siginfo info;
  while (read(monitor.child_signal.get(), &info, sizeof info) > 0) {
  }
  monitor.child_ended = true;
}

// A second process whose first one was killed before it could hand it over is ours and nobody's. Unreaped it would hold the end of PID 1
// for ever: the kernel waits for every process of the pid namespace.
void reap_strays(Monitor &monitor) {
  while (monitor.child_ended) {
    siginfo_t info = {};
    if (syscall(SYS_waitid, P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL, nullptr) != 0 || info.si_pid == 0) {
      monitor.child_ended = false;
      return;
    }
    // One that is known is reaped by its own watch; while a session starts, the unknown one may be its second process. Later, then.
    for (Session *session = monitor.container; session; session = session->next) {
      if (session->pid == info.si_pid || session->state == SessionState::launching) return;
    }
    syscall(SYS_waitid, P_PID, info.si_pid, &info, WEXITED | WNOHANG | __WALL, nullptr);
  }
}

void watch_children(Monitor &monitor) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  monitor.child_signal.reset(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  monitor.child_watch.fd = monitor.child_signal.get();
  monitor.child_watch.owner = &monitor;
  monitor.child_watch.ready = child_ready;
  monitor.loop.want(monitor.child_watch, EPOLLIN);
}

bool clients_left(const Monitor &monitor) {
  for (Session *session = monitor.container; session; session = session->next) {
    if (session->clients) return true;
  }
  return false;
}

// Only a socket file of its own: a later monitor of the same container may listen there already.
void remove_socket(Monitor &monitor) {
  struct stat status;
  if (!monitor.listener.valid() || fstatat(monitor.run_directory.get(), kSocketName, &status, AT_SYMLINK_NOFOLLOW) != 0) return;
  if (status.st_ino == monitor.listener_inode) unlinkat(monitor.run_directory.get(), kSocketName, 0);
}

}  // namespace

void monitor_accept(void *owner, uint32_t) {
  auto &monitor = *static_cast<Monitor *>(owner);
  UniqueFd connection(accept4(monitor.listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!connection.valid()) return;
  struct ucred peer;
  socklen_t size = sizeof peer;
  if (getsockopt(connection.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.uid != 0) return;
  monitor.link.connect(static_cast<UniqueFd &&>(connection));
  say_hello(monitor);
  // A new daemon has not heard of it.
  monitor.log_lost_told = 0;
  monitor.log_told_at = 0;
}

// The session that a message names; the container when it names none.
Session *monitor_session(Monitor &monitor, const Fields &fields) {
  size_t size;
  const char *id = fields.bytes(field::exec, &size);
  if (!id) return monitor.container;
  for (Session *session = monitor.container; session; session = session->next) {
    if (session->exec && !session->gone && strlen(session->exec) == size && memcmp(session->exec, id, size) == 0) return session;
  }
  return nullptr;
}

void monitor_client_gone(Monitor &monitor, Client &client, const char *reason) {
  FrameWriter frame(message::detached);
  frame.bytes(field::client, client.id, client.id_size).text(field::reason, reason);
  monitor.link.send(frame);
}

void monitor_leave(Monitor &monitor) {
  monitor.leaving = true;
  for (Session *session = monitor.container; session; session = session->next) session_end_clients(*session, "eof");
}

void monitor_process_ended(Session &session) {
  // What it said before its end comes first.
  int process = session.process.get();
  if (session.state == SessionState::launching) monitor_channel_ready(session);
  // It was the first of two children, and the second has taken its place.
  if (session.process.get() != process) return;
  if (session.state != SessionState::running) {
    // Still launching: the channel's end says the rest.
    if (session.state == SessionState::launching) session.monitor->loop.pause(session.process_watch);
    return;
  }
  int code, signal;
  if (!session_reap(session, &code, &signal)) return;
  session.monitor->loop.pause(session.process_watch);
  if (session.exec) {
    exec_exited(session, code, signal);
  } else {
    container_exited(*session.monitor, code, signal);
  }
}

void monitor_run(Monitor &monitor, UniqueFd control) {
  monitor.link.configure(&monitor.loop, &monitor, received, connection_ended);
  monitor.link.connect(static_cast<UniqueFd &&>(control));
  watch_children(monitor);
  say_hello(monitor);
  for (;;) {
    sweep(monitor);
    reap_strays(monitor);
    tell_log_errors(monitor);
    if (monitor.leaving && !clients_left(monitor) && monitor.link.idle()) break;
    if (monitor.loop.round(kIdleAfterMs)) continue;
    release_idle_memory();
    monitor.loop.round(-1);
  }
  remove_socket(monitor);
  monitor.link.finish();
}

}  // namespace tsd
