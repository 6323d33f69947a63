#pragma once

/// Before a function: compile it for AVX2 as well and choose when the program starts. The loops
/// have no reductions over steps and contraction is off, so both give the same bits. Not under
/// sanitizers, whose run time is not up that early.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) &&                          \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && defined(__OPTIMIZE__) && \
    defined(NDEBUG)
#define AERIE_VECTOR_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define AERIE_VECTOR_CLONES
#endif
