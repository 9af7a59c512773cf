// Owns the two uses of a tar: unpacking a layer into a directory, and listing what an outer archive holds.
// Must run on a fresh thread (unpack_layer makes the directory that thread's root). Knows no image and no engine.
#pragma once

#include <string>
#include <vector>

#include "archive_fd.h"
#include "archive_input.h"
#include "archive_tar.h"

namespace tsd::archive {

struct UnpackOptions {
  Source source;
  /// An open directory; it becomes the root of the calling thread, and links lead nowhere outside of it. Empty for a layer.
  int target = -1;
  /// Where below `target` the archive is unpacked: a path without links, without a slash at its ends; empty: in `target` itself.
  std::string base;
  /// Refuse an entry that would put a directory in place of something else, or something else in place of a directory.
  bool keep_kinds = false;
  /// Owner of everything instead of the archive's; -1: the archive's.
  int64_t owner_uid = -1;
  int64_t owner_gid = -1;
  /// Where the split record goes; -1: none is kept.
  int split = -1;
  /// Turn `.wh.` names into the overlay file system's whiteouts.
  bool overlay_whiteouts = true;
  uint64_t max_entries = 0;
  InputLimits limits;
};

struct Unpacked {
  std::string digest;
  std::string diff_id;
  std::string compression;
  uint64_t compressed_bytes = 0;
  uint64_t tar_bytes = 0;
  /// Apparent sizes of files and symbolic links, hard links once.
  uint64_t content_bytes = 0;
  uint64_t entries = 0;
  /// False when a later entry took the contents of an earlier one away: the split record cannot give them back.
  bool reproducible = true;
  /// Attributes that the file system or the kernel refused (ENOTSUP, EPERM).
  uint64_t skipped_attributes = 0;
};

bool unpack_layer(const UnpackOptions &options, Unpacked &result, Failure &failure);

struct IndexEntry {
  std::string name;
  std::string link;
  char type = '0';
  uint64_t size = 0;
  /// Of the contents, in the spool (or in the source when it is plain and there is no spool).
  uint64_t offset = 0;
};

struct Scanned {
  std::string digest;
  std::string compression;
  uint64_t compressed_bytes = 0;
  uint64_t plain_bytes = 0;
  std::vector<IndexEntry> entries;
};

/// Reads the whole source; writes it, decompressed, to `spool` when that is not -1.
bool scan_archive(Source source, int spool, uint64_t max_entries, InputLimits limits, Scanned &result, Failure &failure);

/// Removes `.` and empty components and resolves `..` by text. False when the name leads above its start.
bool clean_name(const std::string &name, std::string &result);

}  // namespace tsd::archive
