// What a training needs beside the networks, and what does not depend on the precision of products: arrays (arrays.cuh), Adam (adam.cuh) and
// Muon (muon.cuh).
#include "adam.cuh"
#include "arrays.cuh"
#include "muon.cuh"
