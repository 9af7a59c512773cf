// Owns how a failure of the kernel is told: the step, the error number and the thing it was about. No exceptions, no heap.
#pragma once

#include <string.h>

namespace tsd {

/// Why a call failed. Functions of src/sys return -1 (or false) after they have filled one in.
struct Failure {
  const char *step = "";
  int error = 0;
  char detail[256] = "";

  /// Fills in the failure and returns -1, so that `return failure.set(...)` reads as one sentence.
  int set(const char *failed_step, int failed_error, const char *about = "") {
    step = failed_step;
    error = failed_error;
    size_t length = strlen(about);
    if (length > sizeof detail - 1) length = sizeof detail - 1;
    memcpy(detail, about, length);
    detail[length] = 0;
    return -1;
  }

  /// Puts `word` and a blank in front of the detail: `move_mount` and `/proc` become `move_mount /proc`.
  int prefix(const char *word) {
    char old[sizeof detail];
    memcpy(old, detail, sizeof detail);
    size_t used = strlen(word);
    if (used > sizeof detail - 2) used = sizeof detail - 2;
    memcpy(detail, word, used);
    if (old[0] != 0) detail[used++] = ' ';
    size_t rest = strnlen(old, sizeof detail - 1 - used);
    memcpy(detail + used, old, rest);
    detail[used + rest] = 0;
    return -1;
  }
};

}  // namespace tsd
