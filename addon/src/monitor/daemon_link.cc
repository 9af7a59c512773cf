// Owns the connection to the daemon.
#include "daemon_link.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol.h"

namespace tsd {

namespace {

// A daemon that does not read this much is not alive in any useful sense.
constexpr size_t kWaitingLimit = 1024 * 1024;

}  // namespace

void DaemonLink::configure(Loop *loop, void *owner, void (*received)(void *, ReceivedFrame &), void (*ended)(void *)) {
  loop_ = loop;
  owner_ = owner;
  received_ = received;
  ended_ = ended;
  watch_.owner = this;
  watch_.ready = ready;
}

void DaemonLink::connect(UniqueFd socket) {
  close();
  fcntl(socket.get(), F_SETFL, fcntl(socket.get(), F_GETFL) | O_NONBLOCK);
  socket_ = static_cast<UniqueFd &&>(socket);
  watch_.fd = socket_.get();
  loop_->want(watch_, EPOLLIN);
}

void DaemonLink::close() {
  generation_++;
  loop_->pause(watch_);
  watch_.fd = -1;
  socket_.reset();
  incoming_.clear();
  waiting_.clear();
  for (size_t i = 0; i < fd_count_; i++) fds_[i].reset();
  fd_count_ = 0;
}

void DaemonLink::finish() {
  if (!connected()) return;
  // What the daemon still says is for nobody. Unread at the close, it would show there as a reset in place of an end.
  shutdown(socket_.get(), SHUT_RDWR);
  for (int i = 0; i < 256 && recv(socket_.get(), scratch, sizeof scratch, MSG_DONTWAIT) > 0; i++) {
  }
  close();
}

void DaemonLink::fail() {
  if (!connected()) return;
  close();
  ended_(owner_);
}

void DaemonLink::ready(void *owner, uint32_t events) {
  auto *link = static_cast<DaemonLink *>(owner);
  unsigned generation = link->generation_;
  if (events & EPOLLOUT) link->flush();
  if (link->generation_ == generation && (events & (EPOLLIN | EPOLLHUP | EPOLLERR))) link->receive();
}

void DaemonLink::receive() {
  int fds[kDescriptorLimit];
  size_t count;
  ssize_t received = receive_descriptors(socket_.get(), scratch, sizeof scratch, fds, &count);
  if (received < 0 && errno == EAGAIN) return;
  bool overflow = false;
  for (size_t i = 0; i < count; i++) {
    if (fd_count_ < sizeof fds_ / sizeof fds_[0]) {
      fds_[fd_count_++].reset(fds[i]);
    } else {
      ::close(fds[i]);
      overflow = true;
    }
  }
  if (received <= 0 || overflow || !incoming_.append(scratch, static_cast<size_t>(received)) || !handle_frames()) fail();
}

// False when the bytes are no frames. Descriptors come in the order of their frames, so each frame takes its own from the front.
bool DaemonLink::handle_frames() {
  unsigned generation = generation_;
  while (incoming_.size() >= kFrameHeader) {
    uint32_t length;
    uint16_t type;
    memcpy(&length, incoming_.data(), 4);
    memcpy(&type, incoming_.data() + 4, 2);
    if (length > kFrameLimit) return false;
    if (incoming_.size() < kFrameHeader + length) return true;
    Fields fields(incoming_.data() + kFrameHeader, length);
    if (!fields.well_formed()) return false;
    size_t wanted = fields.number(field::fds);
    if (wanted > fd_count_) return false;
    UniqueFd taken[kDescriptorLimit];
    if (wanted > kDescriptorLimit) return false;
    for (size_t i = 0; i < wanted; i++) taken[i] = static_cast<UniqueFd &&>(fds_[i]);
    for (size_t i = wanted; i < fd_count_; i++) fds_[i - wanted] = static_cast<UniqueFd &&>(fds_[i]);
    fd_count_ -= wanted;
    ReceivedFrame frame{type, fields, taken, wanted};
    received_(owner_, frame);
    // The handling may have ended this connection.
    if (generation_ != generation) return true;
    incoming_.consume(kFrameHeader + length);
  }
  return true;
}

void DaemonLink::send(FrameWriter &frame) {
  size_t size;
  const char *bytes = frame.finish(&size);
  if (!connected() || !bytes) return;
  if (waiting_.size() + size > kWaitingLimit || !waiting_.append(bytes, size)) {
    // Not from in here: the caller is in the middle of something. The hang-up is seen by the loop.
    loop_->want(watch_, EPOLLIN);
    shutdown(socket_.get(), SHUT_RDWR);
    waiting_.clear();
    return;
  }
  flush();
}

void DaemonLink::flush() {
  while (!waiting_.empty()) {
    ssize_t sent = send_descriptors(socket_.get(), waiting_.data(), waiting_.size(), nullptr, 0);
    if (sent < 0) {
      if (errno == EAGAIN) break;
      // The end is noticed by reading.
      waiting_.clear();
      break;
    }
    waiting_.consume(static_cast<size_t>(sent));
  }
  loop_->want(watch_, waiting_.empty() ? EPOLLIN : EPOLLIN | EPOLLOUT);
}

}  // namespace tsd
