// Owns making and freeing objects without operator new, which would bring the C++ library along.
#pragma once

#include <new>
#include <stdlib.h>

namespace tsd {

/// A new object, or nullptr when there is no memory.
template <typename Type>
Type *make() {
  void *memory = malloc(sizeof(Type));
  return memory ? new (memory) Type() : nullptr;
}

/// Ends and frees an object of make().
template <typename Type>
void destroy(Type *object) {
  object->~Type();
  free(object);
}

}  // namespace tsd
