//! Integer sums of samples: adding, packing, hashing, and turning into EXR and PNG.
