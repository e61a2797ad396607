#ifndef GPTQ_DOCTOR_GPTQ_FORMAT_PREDICATES_H_
#define GPTQ_DOCTOR_GPTQ_FORMAT_PREDICATES_H_

// Shape and dtype tests of the fingerprint rows. Each is asked only after the row's suffixes are known to be there.
// K is in_features, N out_features, g the group size, P the bits of a storage word.

#include "gptq/format_table.h"

namespace gptq_doctor {

// qweight, qzeros and scales of GPTQ: codes packed along K, zero points along N, a scale for every output channel.
// Modules whose shapes contradict each other in one place still pass, so that the contradiction can be reported;
// foreign orientations never do.
bool LooksGptq(const ModuleView& module);
// `zeros` and scales F32 [N,1] beside qweight I32 [K*b/32,N].
bool LooksGptqFloatZeros(const ModuleView& module);
bool LooksGptqWithoutZeros(const ModuleView& module);
// What remains of a GPTQ module of which members are missing; true only where no other format has such shapes.
bool LooksGptqIncomplete(const ModuleView& module);

bool LooksAwqGemm(const ModuleView& module);
bool LooksAwqGemv(const ModuleView& module);
bool LooksAwqGemvFast(const ModuleView& module);
bool LooksLlmAwq(const ModuleView& module);
bool LooksAwqMarlin(const ModuleView& module);
bool LooksMarlin(const ModuleView& module);
bool LooksMarlin24(const ModuleView& module);
bool LooksQqq(const ModuleView& module);
bool LooksBitblas(const ModuleView& module);
bool LooksFpQuant(const ModuleView& module);
bool LooksEetq(const ModuleView& module);
bool LooksGgufTensor(const ModuleView& module);
bool LooksCtPacked(const ModuleView& module);
bool LooksCtNvfp4(const ModuleView& module);
bool LooksCtMxfp4(const ModuleView& module);
bool LooksInt8Scaled(const ModuleView& module);
bool LooksFp8Scaled(const ModuleView& module);
bool LooksFp8Block(const ModuleView& module);
bool LooksModelOptNvfp4(const ModuleView& module);
bool LooksBitnet(const ModuleView& module);
bool LooksByteWeight(const ModuleView& module);
bool LooksInt8Weight(const ModuleView& module);
bool LooksHqq(const ModuleView& module);
bool LooksAqlm(const ModuleView& module);
bool LooksExl3(const ModuleView& module);
bool LooksMlxAffine(const ModuleView& module);
bool LooksMlxMx(const ModuleView& module);
bool LooksGptOssMxfp4(const ModuleView& module);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_GPTQ_FORMAT_PREDICATES_H_
