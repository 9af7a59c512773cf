// Owns the small files of the run directory. Each is written beside and renamed: whoever reads one finds it whole.
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../sys/text.h"
#include "../sys/unique_fd.h"

namespace tsd {

namespace {

bool write_whole(int directory, const char *name, const char *text, size_t length) {
  Text<320> temporary;
  temporary.add(name).add(".tmp");
  UniqueFd file(openat(directory, temporary.text(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file.valid()) return false;
  if (write(file.get(), text, length) != static_cast<ssize_t>(length)) return false;
  return renameat(directory, temporary.text(), directory, name) == 0;
}

}  // namespace

uint64_t process_start_time(pid_t pid) {
  Text<40> path;
  path.add("/proc/").add_number(static_cast<uint64_t>(pid)).add("/stat");
  UniqueFd file(open(path.text(), O_RDONLY | O_CLOEXEC));
  char line[1024];
  ssize_t count = file.valid() ? read(file.get(), line, sizeof line - 1) : -1;
  if (count <= 0) return 0;
  line[count] = 0;
  // The name in parentheses may hold anything, so count from its end: the state is field 3.
  const char *at = strrchr(line, ')');
  for (int field = 2; at && field < 22; field++) {
    at = strchr(at, ' ');
    if (at) at++;
  }
  return at ? parse_number(at) : 0;
}

bool write_pid_record(int directory, const ProcessMark &mark) {
  Text<96> text;
  text.add_number(static_cast<uint64_t>(mark.pid)).add(" ").add_number(mark.start_time).add(" ");
  text.add_number(mark.started_at).add("\n");
  return write_whole(directory, "pid", text.text(), text.length());
}

bool write_exit_record(int directory, const ProcessMark &mark, uint64_t finished_at, int code, int signal) {
  Text<256> text;
  text.add("version 1\npid ").add_number(static_cast<uint64_t>(mark.pid));
  text.add("\nstart-time ").add_number(mark.start_time);
  text.add("\nstarted-at ").add_number(mark.started_at);
  text.add("\nfinished-at ").add_number(finished_at);
  text.add("\ncode ").add_number(static_cast<uint64_t>(code));
  text.add("\nsignal ").add_number(static_cast<uint64_t>(signal)).add("\n");
  return write_whole(directory, "exit", text.text(), text.length());
}

bool write_exec_record(int directory, const char *exec, int code, int signal) {
  if (strchr(exec, '/')) {
    errno = EINVAL;
    return false;
  }
  Text<300> name;
  name.add("exec-").add(exec);
  Text<64> text;
  text.add("code ").add_number(static_cast<uint64_t>(code));
  text.add("\nsignal ").add_number(static_cast<uint64_t>(signal)).add("\n");
  return write_whole(directory, name.text(), text.text(), text.length());
}

}  // namespace tsd
