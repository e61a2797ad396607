#include <algorithm>

#include "infer/infer_state.h"

namespace gptq_doctor {

void AssembleDeclared(InferState& s) {
  s.q.is_gptq = true;
  const auto take = [&](const char* key, const Getter& get, auto&& put) {
    Evidence e{.key = key};
    if (const Declaration* d = FirstWith(s.declarations, get); d != nullptr) {
      put(d->settings);
      e.value = get(d->settings);
      e.confidence = Confidence::kAssumed;
    }
    Weigh(s.declarations, get, e);
    s.q.evidence.push_back(std::move(e));
  };
  Quantization& base = s.q.base;
  take("bits", BitsIn, [&](const Quantization& q) { base.bits = q.bits; });
  take("group_size", GroupSizeIn, [&](const Quantization& q) { base.group_size = q.group_size; });
  take("sym", SymIn, [&](const Quantization& q) { base.sym = q.sym; });
  take("desc_act", DescActIn, [&](const Quantization& q) { base.desc_act = q.desc_act; });
  take("checkpoint_format", FormatIn, [&](const Quantization& q) { base.checkpoint_format = q.checkpoint_format; });
  take("pack_dtype", PackDtypeIn, [&](const Quantization& q) { base.pack_dtype = q.pack_dtype; });
  take("lm_head", LmHeadIn, [&](const Quantization& q) { base.lm_head = q.lm_head; });
  take("static_groups", StaticGroupsIn, [&](const Quantization& q) { base.static_groups = q.static_groups; });
  for (const Declaration& d : s.declarations) {
    if (d.voice != Voice::kConfig || d.settings.dynamic.empty()) continue;
    base.dynamic = d.settings.dynamic;
    break;
  }
}

}  // namespace gptq_doctor
