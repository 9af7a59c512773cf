// Owns starts: the launch and exec messages, what the new process says on its channel, and the undoing of a start that failed.
#include "start.h"

#include <errno.h>
#include <fcntl.h>
#include <new>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../sys/socket.h"
#include "launch.h"
#include "make.h"
#include "socket_broker.h"

namespace tsd {

namespace {

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

void say_failed(Monitor &monitor, const LaunchFailure &failure, const char *exec) {
  FrameWriter frame(exec ? message::exec_failed : message::failed);
  if (exec) frame.text(field::exec, exec);
  frame.text(field::step, failure.step).number(field::index, failure.index);
  frame.number(field::errno_, static_cast<uint64_t>(failure.failure.error)).text(field::detail, failure.failure.detail);
  monitor.link.send(frame);
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
  session.terminal_first = session.tty && plan.in_order(op::console, op::await_go);
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

// Only when the terminal has come: a size that was asked for before the start must be set before the program can look at it.
void pass_go(Session &session) {
  session.go = true;
  if (session.terminal_first) return;
  ChannelWord word = {};
  word.word = Word::go;
  if (session.channel.valid()) channel_send(session.channel.get(), word);
}

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

// Ends a session whose launch failed. The child is at its end or is made to be.
void fail_session(Session &session, const LaunchFailure &failure) {
  Monitor &monitor = *session.monitor;
  siginfo_t info;
  // Who has said so is on its way to its end, and a first process that still has a second one to hand over ends right after that: this
  // wait is short. A kill could leave a second process that nobody knows, unreaped, and PID 1 waits for those at its end.
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
    // The daemon has kept their connections, to say there why it failed.
    session_release_clients(session);
  } else {
    monitor_leave(monitor);
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

}  // namespace

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
    monitor_leave(monitor);
    return;
  }
  monitor.state = MonitorState::launched;
  session_watch(*session);
}

void handle_go(Monitor &monitor, const Fields &fields) {
  Session *session = monitor_session(monitor, fields);
  if (!session || session->state != SessionState::launching || session->go) return;
  pass_go(*session);
  if (session->exec) return;
  // From now on the container lives without this daemon: another one may come.
  monitor.listener_watch.fd = monitor.listener.get();
  monitor.listener_watch.owner = &monitor;
  monitor.listener_watch.ready = monitor_accept;
  monitor.loop.want(monitor.listener_watch, EPOLLIN);
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
    session_release_clients(*session);
    return;
  }
  session_watch(*session);
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
        session.terminal_first = false;
        if (session.go) pass_go(session);
        break;
      case Word::listener:
        broker_sockets(*session.monitor, static_cast<UniqueFd &&>(came), uint64_t{word.op} << 32 | word.index);
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

}  // namespace tsd
