#ifndef GPTQ_DOCTOR_LOADERS_WALK_H_
#define GPTQ_DOCTOR_LOADERS_WALK_H_

// One loader's walk through one directory: what it decided so far, and the explanations recorded while deciding. Stages
// read the profile and the facts and write steps; the outcome is the worst that a stage found, an error ends the walk.

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gptq_doctor/diagnosis.h"
#include "loaders/facts.h"
#include "loaders/profile.h"
#include "loaders/simulate.h"

namespace gptq_doctor {

// The machine the walk is told for.
struct Machine {
  int sm = 0;                // 86 for compute capability 8.6; 0: not given
  uint8_t platform = kCuda;  // a PlatformBit
  bool given = false;
};

// What the loader believes after its own aliases and defaults.
struct Declared {
  const JsonValue* section = nullptr;      // null: no configuration
  std::string file;                        // where it came from, for messages
  int64_t bits = 4, group_size = 128;      // 0 where the value is of an impossible type
  std::string bits_text, group_size_text;  // as spelled, for messages and file names
  const JsonValue* bits_value = nullptr;   // of the spelling that counts; null: absent
  const JsonValue* group_size_value = nullptr;
  const JsonValue* sym_value = nullptr;
  const JsonValue* method_value = nullptr;
  bool desc_act = false, sym = true, lm_head = false;
  std::string format;  // as the loader reads it; "" where absent
  bool format_given = false;
  std::string method;
  uint16_t present = 0;  // KeyBit set of keys found (aliases resolved)
  const JsonValue* Find(std::string_view key) const { return section == nullptr ? nullptr : section->Find(key); }
  bool Has(KeyBit key) const { return (present & key) != 0; }
};

// What the loader makes of one module class.
enum class Built : uint8_t { kNothing, kDense, kQuantized, kUnknown };

using Fills = std::initializer_list<std::pair<std::string_view, std::string>>;
// `text` with every {name} replaced; unknown names stay as they are.
std::string Fill(std::string_view text, Fills fills);

class Walk {
 public:
  // `configs`: those the loader meets; the directory's own, or what a repair would make of them.
  Walk(const Profile& profile, const ModelFacts& facts, const ConfigSet& configs, const SimulateOptions& options,
       const Machine& machine);

  const Profile& profile;
  const ModelFacts& facts;
  const Examination& exam;
  const ConfigSet& configs;
  const SimulateOptions& options;
  const Machine& machine;

  Declared declared;
  std::vector<Built> built;                     // per class; empty until the modules stage
  const KernelRow* kernel = nullptr;            // chosen; null: dense or not yet
  std::vector<const KernelRow*> class_kernels;  // per class where modules differ; else empty
  bool dense_model = false;                     // no quantized layer will be built
  std::string dense_why, dense_message;         // why, where it is not for want of a configuration
  std::vector<size_t> files;                    // positions in exam.dir.files that will be read
  std::string method;                           // the engine's own name of the chosen path

  void Step(std::string_view step, std::string detail, std::string_view source);
  // Records a deciding step. Rejects returns false, so that a stage can return it.
  bool Rejects(std::string_view step, std::string detail, std::string_view source, std::string message);
  void Degrade(Outcome outcome, std::string_view step, std::string detail, std::string_view source,
               std::string message = {});
  void Assume(std::string text);
  void Rule(std::string id);
  void Remedy(std::string_view text);  // the first one stays
  // Settings that the chosen kernel reads of this class.
  const KernelRow* KernelOf(size_t class_index) const;
  std::string Dir() const;
  // The message templates' common fills.
  std::string Message(std::string_view text, Fills more = {}) const;

  LoaderOutcome Finish();
  Outcome outcome() const { return outcome_; }

 private:
  Outcome outcome_ = Outcome::kLoads;
  LoaderOutcome result_;
};

// Rank of outcomes, worst first: rejects 0 ... loads 5.
int RankOf(Outcome outcome);
std::string ShapeText(std::initializer_list<int64_t> dims);  // "torch.Size([448, 2048])"

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_LOADERS_WALK_H_
