// AVX-VNNI's instruction by its name in AVX-512, for CPUs that have that one alone.
#include <immintrin.h>
#define _mm256_dpbusd_avx_epi32 _mm256_dpbusd_epi32
