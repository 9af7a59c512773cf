// Owns the launch plan: its bytes, its table of operations, the running of a line.
#include "plan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "../sys/text.h"
#include "channel.h"
#include "protocol.h"

namespace tsd {

namespace {

constexpr OperationEntry kOperations[] = {
    {op::open_tree, "open-tree", "ntn", op_open_tree},
    {op::open, "open", "ntn", op_open},
    {op::clone, "clone", "nn", op_clone},
    {op::write, "write", "nb", op_write},
    {op::set_namespace, "set-namespace", "nn", op_set_namespace},
    {op::unshare, "unshare", "n", op_unshare},
    {op::propagation, "propagation", "n", op_propagation},
    {op::root, "root", "nt", op_root},
    {op::filesystem, "filesystem", "tttnT", op_filesystem},
    {op::attach, "attach", "ntnnnn", op_attach},
    {op::mkdir, "mkdir", "tnnn", op_mkdir},
    {op::device, "device", "tnnnnn", op_device},
    {op::symlink, "symlink", "tt", op_symlink},
    {op::mask, "mask", "t", op_mask},
    {op::readonly, "readonly", "t", op_readonly},
    {op::sysctl, "sysctl", "tt", op_sysctl},
    {op::console, "console", "nnnn", op_console},
    {op::stdio, "stdio", "nn", op_stdio},
    {op::pivot_root, "pivot-root", "", op_pivot_root},
    {op::remount_root, "remount-root", "n", op_remount_root},
    {op::hostname, "hostname", "t", op_hostname},
    {op::domainname, "domainname", "t", op_domainname},
    {op::rlimit, "rlimit", "nnn", op_rlimit},
    {op::oom_score, "oom-score", "t", op_oom_score},
    {op::working_directory, "working-directory", "tnn", op_working_directory},
    {op::user, "user", "nn", op_user},
    {op::no_new_privileges, "no-new-privileges", "", op_no_new_privileges},
    {op::bounding_set, "bounding-set", "n", op_bounding_set},
    {op::capabilities, "capabilities", "nnnn", op_capabilities},
    {op::seccomp, "seccomp", "nb", op_seccomp},
    {op::death_signal, "death-signal", "n", op_death_signal},
    {op::session, "session", "", op_session},
    {op::umask, "umask", "n", op_umask},
    {op::environment, "environment", "T", op_environment},
    {op::await_go, "await-go", "", op_await_go},
    {op::init, "init", "", op_init},
    {op::exec, "exec", "tT", op_exec},
    {op::process_label, "process-label", "tt", op_process_label},
    {op::keyring, "keyring", "", op_keyring},
    {op::mount_attributes, "mount-attributes", "tnnnn", op_mount_attributes},
};

bool is_text(const Argument &argument) { return memchr(argument.bytes, 0, argument.size) == nullptr; }

int check_line(const Line &line, Failure &failure) {
  const OperationEntry *entry = find_operation(line.op);
  if (!entry) {
    Text<40> about;
    about.add("operation ").add_number(line.op);
    return failure.set("plan", ENOSYS, about.text());
  }
  unsigned at = 0;
  for (const char *kind = entry->signature; *kind; kind++) {
    if (*kind == 'T') {
      for (; at < line.count; at++) {
        if (!is_text(line.arguments[at])) return failure.set("plan", EINVAL, "a text with NUL inside");
      }
      return 0;
    }
    if (at == line.count) return failure.set("plan", EINVAL, "too few arguments");
    const Argument &argument = line.arguments[at++];
    if (*kind == 'n' && argument.size != 8) return failure.set("plan", EINVAL, "a number is not 8 bytes long");
    if (*kind == 't' && !is_text(argument)) return failure.set("plan", EINVAL, "a text with NUL inside");
  }
  return 0;
}

// Reads little endian numbers and refuses to run over the end.
struct Reader {
  char *at;
  size_t left;

  template <typename Number>
  bool take(Number &number) {
    if (left < sizeof number) return false;
    memcpy(&number, at, sizeof number);
    at += sizeof number;
    left -= sizeof number;
    return true;
  }
  char *skip(size_t count) {
    if (left < count) return nullptr;
    char *here = at;
    at += count;
    left -= count;
    return here;
  }
};

// Counts lines and arguments, or fills them in.
bool scan(char *bytes, size_t size, Line *lines, Argument *arguments, uint32_t *line_count, uint32_t *argument_count) {
  Reader reader{bytes, size};
  uint32_t line = 0, argument = 0;
  while (reader.left > 0) {
    uint16_t number, count;
    if (!reader.take(number) || !reader.take(count)) return false;
    if (lines) lines[line] = {number, count, arguments + argument};
    line++;
    for (uint16_t i = 0; i < count; i++) {
      uint32_t length;
      char *here;
      if (!reader.take(length) || !(here = reader.skip(length))) return false;
      if (arguments) arguments[argument] = {here, length};
      argument++;
    }
  }
  *line_count = line;
  *argument_count = argument;
  return true;
}

}  // namespace

PlanContext::PlanContext() {
  for (int &slot : slots) slot = -1;
}

uint64_t Line::number(unsigned index) const {
  uint64_t value;
  memcpy(&value, arguments[index].bytes, sizeof value);
  return value;
}

Plan::~Plan() {
  free(bytes_);
  free(arguments_);
  free(lines_);
}

int Plan::read(const char *bytes, size_t size, uint32_t *index, Failure &failure) {
  *index = 0;
  bytes_ = static_cast<char *>(malloc(size + 1));
  if (!bytes_) return failure.set("plan", ENOMEM);
  memcpy(bytes_, bytes, size);
  uint32_t argument_count;
  if (!scan(bytes_, size, nullptr, nullptr, &count_, &argument_count)) return failure.set("plan", EBADMSG, "cut short");
  lines_ = static_cast<Line *>(calloc(count_ + 1, sizeof(Line)));
  arguments_ = static_cast<Argument *>(calloc(argument_count + 1, sizeof(Argument)));
  if (!lines_ || !arguments_) return failure.set("plan", ENOMEM);
  scan(bytes_, size, lines_, arguments_, &count_, &argument_count);
  // Every length has been read: the byte behind an argument is free for its NUL.
  for (uint32_t i = 0; i < argument_count; i++) arguments_[i].bytes[arguments_[i].size] = 0;
  for (*index = 0; *index < count_; ++*index) {
    if (check_line(lines_[*index], failure) != 0) return -1;
  }
  *index = 0;
  return 0;
}

bool Plan::in_order(uint16_t first, uint16_t second) const {
  bool seen = false;
  for (uint32_t i = 0; i < count_; i++) {
    if (lines_[i].op == second) return seen;
    seen = seen || lines_[i].op == first;
  }
  return false;
}

const OperationEntry *find_operation(uint16_t op) {
  for (const OperationEntry &entry : kOperations) {
    if (entry.op == op) return &entry;
  }
  return nullptr;
}

int run_line(PlanContext &context, Failure &failure) {
  const Line &line = context.plan->line(context.index);
  if (find_operation(line.op)->run(context, line, failure) >= 0) return 0;
  // The step that the daemon hears is the operation; the system call goes in front of the detail, except for the exec.
  if (line.op != op::exec) failure.prefix(failure.step);
  return -1;
}

int slot_of(const PlanContext &context, uint64_t slot, Failure &failure) {
  if (slot < kSlotLimit && context.slots[slot] >= 0) return context.slots[slot];
  Text<40> about;
  about.add("slot ").add_number(slot);
  return failure.set("slot", EBADF, about.text());
}

int root_of(PlanContext &context, Failure &failure) {
  if (context.root >= 0) return context.root;
  if (!context.exec_session) return failure.set("root", EINVAL, "no line root before");
  // Not kept: a later set-namespace gives another one. The descriptor is closed by the exec.
  int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) return failure.set("open", errno, "/");
  return root;
}

void announce_exec(PlanContext &context) {
  if (context.announced) return;
  context.announced = true;
  ChannelWord word = {};
  word.word = Word::executing;
  channel_send(context.channel, word);
}

}  // namespace tsd
