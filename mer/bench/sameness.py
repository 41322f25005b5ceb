"""`mer bench sameness`: one small run in many surroundings, and on a plainer processor; which files differ.

The same seed must give the same tables and containers on one core and two, with folds in one job or apart, from
another folder, under another locale, time zone and umask, with another folder for temporary files, and where a path
has spaces and letters beyond ASCII. Between processors only the simulated pictures are the same to the bit; for the
rest, scores are put side by side.
"""

from __future__ import annotations

#: Makes the libraries that compute do without what a processor of the last fifteen years has beyond SSE4.2, which
#: NumPy cannot do without: OpenCV, its IPP, NumPy under both of its sets of names, OpenBLAS, PyTorch, oneDNN, MKL and
#: the C library.
PLAIN_PROCESSOR = {
    "OPENCV_CPU_DISABLE": "AVX512-SKX,AVX2,FMA3,FP16,AVX",
    "OPENCV_IPP": "sse42",
    "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR AVX512_SKX AVX512F AVX2 FMA3",
    "OPENBLAS_CORETYPE": "Nehalem",
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX2,-AVX2_Usable,-FMA,-FMA_Usable,-AVX,-AVX_Usable",
}
