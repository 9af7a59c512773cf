// Owns the attaching of loop devices; see loop.h. LOOP_CONFIGURE (Linux 5.8) sets everything in one step: no device is ever half made.
#include "loop.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <string.h>
#include <sys/ioctl.h>

namespace tsd {

int attach_loop(const char *file, std::string &path, Failure &failure) {
  UniqueFd backing(open(file, O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!backing.valid()) return failure.set("open", errno, file);
  UniqueFd control(open("/dev/loop-control", O_RDWR | O_CLOEXEC));
  if (!control.valid()) return failure.set("open", errno, "/dev/loop-control");
  // Somebody else may take the free one in between.
  for (int attempt = 0; attempt < 16; attempt++) {
    const int number = ioctl(control.get(), LOOP_CTL_GET_FREE);
    if (number < 0) return failure.set("LOOP_CTL_GET_FREE", errno, "/dev/loop-control");
    path = "/dev/loop" + std::to_string(number);
    UniqueFd device(open(path.c_str(), O_RDWR | O_CLOEXEC));
    if (!device.valid()) return failure.set("open", errno, path.c_str());
    struct loop_config config = {};
    config.fd = static_cast<__u32>(backing.get());
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
    strncpy(reinterpret_cast<char *>(config.info.lo_file_name), file, LO_NAME_SIZE - 1);
    if (ioctl(device.get(), LOOP_CONFIGURE, &config) == 0) return device.release();
    if (errno != EBUSY) return failure.set("LOOP_CONFIGURE", errno, path.c_str());
  }
  return failure.set("LOOP_CONFIGURE", EBUSY, path.c_str());
}

}  // namespace tsd
