#ifndef GPTQ_DOCTOR_LOADERS_AUTO_ROUND_H_
#define GPTQ_DOCTOR_LOADERS_AUTO_ROUND_H_

// quant_method auto-round in vLLM and SGLang: a class of its own, with its own keys and its own choice of layers.

#include <string_view>

#include "loaders/walk.h"

namespace gptq_doctor {

struct AutoRoundTraits {
  std::string_view name;             // what the engine calls the method
  std::string_view only;             // in its refusals before the list of what it takes: one space or two
  std::string_view backends;         // that `backend` may name, space-separated
  std::string_view end;              // behind that list
  bool reads_order = false;          // desc_act counts; else it is taken for false
  bool passes_backend = false;       // `backend` can keep Marlin off
  bool maps_names = false;           // block names are mapped to the engine's, as tensor names are
  std::string_view order_message;    // desc_act without Marlin
  std::string_view refusal_message;  // settings that Marlin does not take, {b}, {s}; empty: the gptq kernel does
  std::string_view source;
};

// The settings against the class's constructor, then method and kernel.
bool TakeAutoRound(Walk& walk, const AutoRoundTraits& traits);
// The walk goes through that class.
bool IsAutoRound(const Walk& walk);
// Every linear layer is quantized that neither block_name_to_quantize nor extra_config leaves out.
bool BuildAutoRoundLayers(Walk& walk, const AutoRoundTraits& traits);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_LOADERS_AUTO_ROUND_H_
