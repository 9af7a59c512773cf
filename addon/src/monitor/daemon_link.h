// Owns the connection to the daemon: received frames with their descriptors, frames that wait to be sent. It knows no meaning.
#pragma once

#include "../sys/socket.h"
#include "../sys/unique_fd.h"
#include "buffer.h"
#include "frame.h"
#include "loop.h"

namespace tsd {

/// A frame as it is handled. Whoever wants one of the descriptors takes it out (release); the others are closed afterwards.
struct ReceivedFrame {
  uint16_t type;
  Fields fields;
  UniqueFd *fds;
  size_t fd_count;
};

class DaemonLink {
 public:
  /// `received` is called for each whole frame, `ended` once when the connection is over (the link is closed by then).
  void configure(Loop *loop, void *owner, void (*received)(void *owner, ReceivedFrame &frame), void (*ended)(void *owner));

  /// Takes a connection, closing an older one without a call of `ended`.
  void connect(UniqueFd socket);
  bool connected() const { return socket_.valid(); }
  /// Everything has been handed to the kernel.
  bool idle() const { return waiting_.empty(); }
  /// Queues a frame; without a connection it is dropped: the disk says the same.
  void send(FrameWriter &frame);
  void close();
  /// The last close: the daemon sees an end, also when it has just said something.
  void finish();

 private:
  static void ready(void *owner, uint32_t events);
  void receive();
  bool handle_frames();
  void flush();
  void fail();

  Loop *loop_ = nullptr;
  void *owner_ = nullptr;
  void (*received_)(void *, ReceivedFrame &) = nullptr;
  void (*ended_)(void *) = nullptr;
  UniqueFd socket_;
  Watch watch_;
  unsigned generation_ = 0;
  Queue incoming_;
  Queue waiting_;
  UniqueFd fds_[2 * kDescriptorLimit];
  size_t fd_count_ = 0;
};

}  // namespace tsd
