/* bcryptprimitives.c - the one function that Rust takes from this library of Windows, for versions of Wine without it. */
#include <windows.h>

BOOLEAN NTAPI SystemFunction036(void *, ULONG); /* RtlGenRandom */

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T size) { return SystemFunction036(data, (ULONG)size); }
