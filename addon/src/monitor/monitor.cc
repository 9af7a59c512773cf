// Owns what the monitor is in and what each message does.
#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <new>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../sys/socket.h"
#include "launch.h"

namespace tsd {

namespace {

constexpr char kSocketName[] = "monitor.sock";
constexpr int kIdleAfterMs = 1000;
constexpr uint64_t kLogErrorEveryMs = 1000;

template <typename Type>
Type *make() {
  void *memory = malloc(sizeof(Type));
  return memory ? new (memory) Type() : nullptr;
}

template <typename Type>
void destroy(Type *object) {
  object->~Type();
  free(object);
}

uint64_t monotonic_ms() {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1000000;
}

// A text field as a C text. Empty when it is absent; one that is too long or has a NUL inside is cut.
template <size_t Size>
void text_field(const Fields &fields, uint16_t tag, char (&text)[Size]) {
  size_t size = 0;
  const char *bytes = fields.bytes(tag, &size);
  if (!bytes) size = 0;
  if (size > Size - 1) size = Size - 1;
  if (size > 0) memcpy(text, bytes, size);
  text[size] = 0;
}

bool bytes_are(const char *bytes, size_t size, const char *text) { return bytes && strlen(text) == size && memcmp(bytes, text, size) == 0; }

// The session that a message names; the container when it names none.
Session *session_of(Monitor &monitor, const Fields &fields) {
  size_t size;
  const char *id = fields.bytes(field::exec, &size);
  if (!id) return monitor.container;
  for (Session *session = monitor.container; session; session = session->next) {
    if (session->exec && !session->gone && strlen(session->exec) == size && memcmp(session->exec, id, size) == 0) return session;
  }
  return nullptr;
}

void say_hello(Monitor &monitor) {
  FrameWriter frame(message::hello);
  frame.number(field::version, kProtocolVersion).text(field::id, monitor.id);
  frame.number(field::state, static_cast<uint64_t>(monitor.state)).number(field::monitor_pid, static_cast<uint64_t>(getpid()));
  if (monitor.state == MonitorState::running || monitor.state == MonitorState::exited) {
    frame.number(field::pid, static_cast<uint64_t>(monitor.mark.pid)).number(field::start_time, monitor.mark.start_time);
    frame.number(field::started_at, monitor.mark.started_at);
  }
  Queue list;
  for (Session *session = monitor.container; session; session = session->next) {
    if (!session->exec || session->gone || session->state != SessionState::running) continue;
    if (!list.empty()) list.append(" ", 1);
    list.append(session->exec, strlen(session->exec));
  }
  list.append("", 1);
  frame.text(field::execs, list.data());
  monitor.link.send(frame);
}

// ---- launch

void leave(Monitor &monitor) {
  monitor.leaving = true;
  for (Session *session = monitor.container; session; session = session->next) session_end_clients(*session, "eof");
}

void say_failed(Monitor &monitor, const LaunchFailure &failure, const char *exec) {
  FrameWriter frame(exec ? message::exec_failed : message::failed);
  if (exec) frame.text(field::exec, exec);
  frame.text(field::step, failure.step).number(field::index, failure.index);
  frame.number(field::errno_, static_cast<uint64_t>(failure.failure.error)).text(field::detail, failure.failure.detail);
  monitor.link.send(frame);
}

void listener_ready(void *owner, uint32_t) {
  auto &monitor = *static_cast<Monitor *>(owner);
  UniqueFd connection(accept4(monitor.listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!connection.valid()) return;
  struct ucred peer;
  socklen_t size = sizeof peer;
  if (getsockopt(connection.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.uid != 0) return;
  monitor.link.connect(static_cast<UniqueFd &&>(connection));
  say_hello(monitor);
}

int open_run_directory(Monitor &monitor, Failure &failure) {
  // Of an earlier run of the same container.
  constexpr const char *kOld[] = {"exit", "pid"};
  for (const char *name : kOld) {
    if (unlinkat(monitor.run_directory.get(), name, 0) != 0 && errno != ENOENT) return failure.set("unlink", errno, name);
  }
  monitor.listener.reset(listen_in_directory(monitor.run_directory.get(), kSocketName, 8, failure));
  if (!monitor.listener.valid()) return -1;
  struct stat status;
  if (fstatat(monitor.run_directory.get(), kSocketName, &status, 0) == 0) monitor.listener_inode = status.st_ino;
  return 0;
}

int open_log(Monitor &monitor, const Fields &fields, UniqueFd directory, Failure &failure) {
  size_t size = 0, attrs_size = 0;
  const char *driver = fields.bytes(field::log_driver, &size);
  if (driver && !bytes_are(driver, size, "json-file")) {
    if (bytes_are(driver, size, "none")) return 0;
    return failure.set("log", EINVAL, "log-driver: expected json-file or none");
  }
  const char *attrs = fields.bytes(field::log_attrs, &attrs_size);
  if (!attrs) attrs_size = 0;
  if (monitor.log.open(static_cast<UniqueFd &&>(directory), monitor.id, fields.number(field::log_max_size),
                       fields.number(field::log_max_file, 1), attrs, attrs_size, failure) != 0) {
    return -1;
  }
  monitor.logging = true;
  return 0;
}

// Reads the plan and makes the session's process. `first_slot`: the frame's descriptor that becomes slot 0.
int start_plan(Session &session, ReceivedFrame &frame, size_t first_slot, LaunchFailure &failure) {
  size_t size;
  const char *bytes = frame.fields.bytes(field::plan, &size);
  if (!bytes) return failure.failure.set("plan", EINVAL, "no plan");
  Plan plan;
  if (plan.read(bytes, size, &failure.index, failure.failure) != 0) return -1;
  // Slots take 1 KiB; nothing of the context is needed once the child runs.
  PlanContext context;
  context.plan = &plan;
  context.exec_session = session.exec != nullptr;
  if (session.exec) context.first_process = session.monitor->container->process.get();
  for (size_t i = first_slot; i < frame.fd_count; i++) context.slots[i - first_slot] = frame.fds[i].release();
  return launch(session, context, failure);
}

void read_streams(Session &session, const Fields &fields) {
  session.tty = fields.number(field::tty) != 0;
  session.open_stdin = fields.number(field::open_stdin) != 0;
  session.stdin_once = fields.number(field::stdin_once) != 0;
}

void handle_launch(Monitor &monitor, ReceivedFrame &frame) {
  LaunchFailure failure;
  Session *session = monitor.state == MonitorState::idle && !monitor.leaving ? make<Session>() : nullptr;
  if (!session) {
    failure.failure.set("launch", monitor.state == MonitorState::idle ? ENOMEM : EBUSY, "");
    say_failed(monitor, failure, nullptr);
    return;
  }
  monitor.container = session;
  session_configure(*session, monitor);
  read_streams(*session, frame.fields);
  text_field(frame.fields, field::id, monitor.id);
  int outcome = -1;
  if (frame.fd_count < 2) {
    failure.failure.set("launch", EBADF, "expected the run and the log directory as descriptors");
  } else {
    monitor.run_directory = static_cast<UniqueFd &&>(frame.fds[0]);
    failure.step = "launch";
    outcome = open_run_directory(monitor, failure.failure);
    if (outcome == 0) outcome = open_log(monitor, frame.fields, static_cast<UniqueFd &&>(frame.fds[1]), failure.failure);
    if (outcome == 0) {
      failure.step = "plan";
      outcome = start_plan(*session, frame, 2, failure);
    }
  }
  if (outcome != 0) {
    session->state = SessionState::exited;
    say_failed(monitor, failure, nullptr);
    leave(monitor);
    return;
  }
  monitor.state = MonitorState::launched;
  session_watch(*session);
}

void pass_go(Session &session) {
  session.go = true;
  ChannelWord word = {};
  word.word = Word::go;
  if (session.channel.valid()) channel_send(session.channel.get(), word);
}

void handle_go(Monitor &monitor, const Fields &fields) {
  Session *session = session_of(monitor, fields);
  if (!session || session->state != SessionState::launching || session->go) return;
  pass_go(*session);
  if (session->exec) return;
  // From now on the container lives without this daemon: another one may come.
  monitor.listener_watch.fd = monitor.listener.get();
  monitor.listener_watch.owner = &monitor;
  monitor.listener_watch.ready = listener_ready;
  monitor.loop.want(monitor.listener_watch, EPOLLIN);
}

// ---- exec

Session *add_exec(Monitor &monitor, const char *id) {
  Session *session = make<Session>();
  if (!session) return nullptr;
  session->exec = strdup(id);
  if (!session->exec) {
    destroy(session);
    return nullptr;
  }
  session_configure(*session, monitor);
  session->next = monitor.container->next;
  monitor.container->next = session;
  return session;
}

void handle_exec(Monitor &monitor, ReceivedFrame &frame) {
  char id[256];
  text_field(frame.fields, field::exec, id);
  LaunchFailure failure;
  if (monitor.state != MonitorState::running) {
    failure.step = "exec";
    failure.failure.set("exec", ESRCH, "the container does not run");
    say_failed(monitor, failure, id);
    return;
  }
  Session *session = add_exec(monitor, id);
  if (!session) {
    failure.failure.set("exec", ENOMEM);
    say_failed(monitor, failure, id);
    return;
  }
  read_streams(*session, frame.fields);
  if (start_plan(*session, frame, 0, failure) != 0) {
    say_failed(monitor, failure, id);
    session->state = SessionState::exited;
    session->gone = true;
    session_end_clients(*session, "eof");
    return;
  }
  session_watch(*session);
}

// ---- clients

void handle_attach(Monitor &monitor, ReceivedFrame &frame) {
  size_t id_size = 0;
  const char *id = frame.fields.bytes(field::client, &id_size);
  Session *session = session_of(monitor, frame.fields);
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
    default:
      break;
  }
  Session *session = session_of(monitor, frame.fields);
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
    if (session->state == SessionState::launching && !session->go) session_kill(*session, SIGKILL);
  }
  if (monitor.state == MonitorState::idle || (monitor.container && monitor.state == MonitorState::launched && !monitor.container->go)) {
    leave(monitor);
  }
}

// ---- what children do

// Ends a session whose launch failed. The child is at its end or is made to be.
void fail_session(Session &session, const LaunchFailure &failure) {
  Monitor &monitor = *session.monitor;
  session_kill(session, SIGKILL);
  siginfo_t info;
  // It has said so itself or was killed just now: this wait is short, and afterwards everything is undone.
  syscall(SYS_waitid, P_PIDFD, session.process.get(), &info, WEXITED | __WALL, nullptr);
  // The second child may have failed before the first one could hand it over.
  ChannelWord word;
  int fd;
  while (channel_receive(session.channel.get(), word, &fd) == 1) {
    UniqueFd second(fd);
    if (word.word != Word::process) continue;
    syscall(SYS_pidfd_send_signal, second.get(), SIGKILL, nullptr, 0);
    syscall(SYS_waitid, P_PIDFD, second.get(), &info, WEXITED | __WALL, nullptr);
  }
  monitor.loop.pause(session.process_watch);
  monitor.loop.pause(session.channel_watch);
  session.channel.reset();
  session.failed = true;
  session.state = SessionState::exited;
  session_close_stdin(session);
  session_drain(session);
  say_failed(monitor, failure, session.exec);
  if (session.exec) {
    session.gone = true;
    session_end_clients(session, "eof");
  } else {
    leave(monitor);
  }
}

// The channel has been closed by a successful exec.
void session_started(Session &session) {
  Monitor &monitor = *session.monitor;
  monitor.loop.pause(session.channel_watch);
  session.channel.reset();
  session.state = SessionState::running;
  // It was paused when the process, or an exec's first one, ended while the channel was still open.
  monitor.loop.want(session.process_watch, EPOLLIN);
  if (session.exec) {
    FrameWriter frame(message::exec_started);
    frame.text(field::exec, session.exec).number(field::pid, static_cast<uint64_t>(session.pid));
    monitor.link.send(frame);
    return;
  }
  monitor.mark.pid = session.pid;
  monitor.mark.start_time = process_start_time(session.pid);
  monitor.mark.started_at = now_ns();
  write_pid_record(monitor.run_directory.get(), monitor.mark);
  monitor.state = MonitorState::running;
  FrameWriter frame(message::started);
  frame.number(field::pid, static_cast<uint64_t>(session.pid)).number(field::start_time, monitor.mark.start_time);
  frame.number(field::started_at, monitor.mark.started_at);
  monitor.link.send(frame);
}

// An exec's second child takes the place of the first, which is leaving.
void take_process(Session &session, const ChannelWord &word, UniqueFd process) {
  Monitor &monitor = *session.monitor;
  monitor.loop.pause(session.process_watch);
  session.first_process = static_cast<UniqueFd &&>(session.process);
  siginfo_t info;
  syscall(SYS_waitid, P_PIDFD, session.first_process.get(), &info, WEXITED | __WALL, nullptr);
  session.first_process.reset();
  session.pid = word.pid;
  session.process = static_cast<UniqueFd &&>(process);
  session.process_watch.fd = session.process.get();
  monitor.loop.want(session.process_watch, EPOLLIN);
}

void container_exited(Monitor &monitor, int code, int signal) {
  Session &session = *monitor.container;
  uint64_t finished_at = now_ns();
  session.state = SessionState::exited;
  session_drain(session);
  if (monitor.logging) monitor.log.finish(now_ns());
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
  leave(monitor);
}

void exec_exited(Session &session, int code, int signal) {
  Monitor &monitor = *session.monitor;
  session.state = SessionState::exited;
  session_drain(session);
  session_close_stdin(session);
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

void monitor_client_gone(Monitor &monitor, Client &client, const char *reason) {
  FrameWriter frame(message::detached);
  frame.bytes(field::client, client.id, client.id_size).text(field::reason, reason);
  monitor.link.send(frame);
}

void monitor_channel_ready(Session &session) {
  while (session.channel.valid()) {
    ChannelWord word;
    int fd;
    int outcome = channel_receive(session.channel.get(), word, &fd);
    UniqueFd came(fd);
    if (outcome < 0) return;
    LaunchFailure failure;
    if (outcome == 0) {
      if (session.executing) {
        session_started(session);
      } else {
        failure.step = "clone";
        failure.failure.set("clone", ECHILD, "the process ended before its exec");
        fail_session(session, failure);
      }
      return;
    }
    switch (word.word) {
      case Word::executing:
        session.executing = true;
        break;
      case Word::terminal:
        session_take_terminal(session, static_cast<UniqueFd &&>(came));
        break;
      case Word::process:
        take_process(session, word, static_cast<UniqueFd &&>(came));
        break;
      case Word::failed:
        failure.index = word.index;
        failure.step = find_operation(static_cast<uint16_t>(word.op))->name;
        failure.failure.set("", word.error, word.detail);
        fail_session(session, failure);
        return;
      case Word::go:
        break;
    }
  }
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
  say_hello(monitor);
  for (;;) {
    sweep(monitor);
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
