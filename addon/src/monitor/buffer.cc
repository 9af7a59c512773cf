// Owns growing byte buffers and the giving back of memory.
#include "buffer.h"

#include <elf.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "../sys/raw_syscall.h"

namespace tsd {

alignas(4096) char scratch[kScratchSize];

namespace {

struct IdleBuffer {
  void *address;
  size_t size;
};
IdleBuffer idle_buffers[4];
size_t idle_buffer_count = 0;

}  // namespace

bool Queue::append(const void *bytes, size_t count) {
  if (count == 0) return true;
  if (capacity_ - end_ < count && start_ > 0) {
    memmove(data_, data_ + start_, end_ - start_);
    end_ -= start_;
    start_ = 0;
  }
  if (capacity_ - end_ < count) {
    size_t wanted = capacity_ ? capacity_ * 2 : 256;
    while (wanted - end_ < count) wanted *= 2;
    char *grown = static_cast<char *>(realloc(data_, wanted));
    if (!grown) return false;
    data_ = grown;
    capacity_ = wanted;
  }
  memcpy(data_ + end_, bytes, count);
  end_ += count;
  return true;
}

void Queue::consume(size_t count) {
  start_ += count;
  if (start_ == end_) clear();
}

void Queue::clear() {
  free(data_);
  data_ = nullptr;
  start_ = end_ = capacity_ = 0;
}

void register_idle_buffer(void *address, size_t size) {
  if (idle_buffer_count < sizeof idle_buffers / sizeof idle_buffers[0]) idle_buffers[idle_buffer_count++] = {address, size};
}

void release_idle_memory() {
  madvise(scratch, sizeof scratch, MADV_DONTNEED);
  for (size_t i = 0; i < idle_buffer_count; i++) madvise(idle_buffers[i].address, idle_buffers[i].size, MADV_DONTNEED);
  malloc_trim(0);
  // Segments that are not writable are clean pages of the program's file: dropped here, mapped again by the next fault.
  const auto *headers = reinterpret_cast<const Elf64_Phdr *>(getauxval(AT_PHDR));
  size_t count = getauxval(AT_PHNUM);
  for (size_t i = 0; headers && i < count; i++) {
    if (headers[i].p_type != PT_LOAD || (headers[i].p_flags & PF_W)) continue;
    uintptr_t start = headers[i].p_vaddr & ~uintptr_t{4095};
    uintptr_t end = (headers[i].p_vaddr + headers[i].p_memsz + 4095) & ~uintptr_t{4095};
    // Nothing of the C library is touched from here to the next wait: its pages stay away.
    raw_syscall(SYS_madvise, static_cast<long>(start), static_cast<long>(end - start), MADV_DONTNEED, 0);
  }
}

}  // namespace tsd
