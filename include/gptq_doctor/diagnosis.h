#ifndef GPTQ_DOCTOR_DIAGNOSIS_H_
#define GPTQ_DOCTOR_DIAGNOSIS_H_

// What an examination found, as plain data. Everything that is printed, written or decided later is a pure function
// of a Diagnosis; the JSON of docs/schema/ is a rendering of it. Sizes are bytes unless a name says otherwise.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "gptq_doctor/quant_config.h"
#include "gptq_doctor/result.h"

namespace gptq_doctor {

// certain: follows from the bytes. inferred: follows from the bytes by a convention that has exceptions.
// assumed: a default nobody can check. unknown: cannot be told.
enum class Confidence { kCertain, kInferred, kAssumed, kUnknown };
enum class Severity { kError, kWarning, kNote };
const char* ToString(Confidence confidence);
const char* ToString(Severity severity);

// A setting's value; monostate is "unknown" (JSON null).
using Value = std::variant<std::monostate, bool, int64_t, std::string>;

struct Fact {
  std::string source;   // "tensor shapes", "g_idx", "qzeros", "__metadata__", "file name", "config.json", ...
  std::string detail;   // one sentence with the numbers
  int64_t modules = 0;  // how many modules say so; 0 where modules do not vote
};

struct Evidence {
  std::string key;  // a key of Quantization
  Value value;
  Confidence confidence = Confidence::kUnknown;
  std::vector<Fact> facts;
  std::vector<Fact> dissent;  // facts that disagree with `value`, named, never averaged away
};

// A defect's repair, as data; `gptq-doctor fix` turns it into edits.
struct FixHint {
  std::string applicability;  // "certain", "assumed" (needs --assume KEY=VALUE), "manual"
  std::string command;        // what the user types; paths single-quoted
  std::string description;
};

struct Finding {
  std::string code;  // "GD101"; never renumbered, never reused
  std::string name;  // kebab-case
  Severity severity = Severity::kNote;
  Confidence confidence = Confidence::kCertain;
  std::string message;  // headline: what is wrong, in the user's terms
  std::string file;     // relative to the model; empty for the directory as a whole
  std::string pointer;  // JSON pointer in `file`, where it applies
  std::optional<int> line, column;
  int64_t count = 1;                 // how many tensors or modules share rule, file and cause
  std::string pattern;               // their names with layer and expert numbers folded to *
  std::vector<std::string> tensors;  // first 20, in natural order
  std::vector<std::string> evidence;
  std::string fingerprint;  // 32 hex digits, independent of absolute paths and wording
  bool suppressed = false;
  std::string suppression;  // why: the reason of an [[ignore]] entry, or that the baseline has it
  std::optional<FixHint> fix;
};

// A format present in the directory: the fingerprint's name ("gptq", "awq", "marlin", "compressed-tensors", ...).
struct FormatShare {
  std::string name;     // family, the headline name
  std::string variant;  // the row of the fingerprint table, e.g. "awq-gemm"
  std::string why;      // the tensors that prove it
  int64_t modules = 0;
  int64_t bytes = 0;
};

struct ModuleGroup {  // modules with equal settings
  Quantization settings;
  int64_t count = 0;
  std::vector<std::string> patterns;  // folded names
};

struct ModuleRow {  // one quantized module; listed only on request
  std::string name;
  std::optional<int> bits;
  std::optional<int64_t> group_size;
  std::optional<bool> sym;
  std::string g_idx;  // "sequential", "act-order", "absent", "all-zero", "invalid", "not read"
  int64_t in_features = 0, out_features = 0;
  std::vector<std::string> files;
  bool sampled = false;  // its data were read
};

struct FileRow {
  std::string name;
  std::string
      role;  // "weights", "index", "config", "quantize-config", "tokenizer", "generation", "code", "adapter", "other"
  // "present", "missing", "needed", "lfs-pointer", "partial", "unreadable", "invalid", "foreign", "dangling"
  std::string state;
  std::string note;  // what it is for, or what is wrong
  std::optional<int64_t> size;
};

// One configuration file's quantization settings as read.
struct ConfigState {
  std::string file;                 // "quantize_config.json", "config.json", ...
  std::string state = "absent";     // absent | valid | incomplete | conflicting | malformed | namesake
  std::string detail;               // one sentence
  std::optional<int> line, column;  // where it is malformed
  std::optional<Quantization> settings;
  std::optional<std::string> quant_method;
  std::vector<std::string> keys;      // the keys present, in file order
  std::vector<std::string> problems;  // contradictions and gaps, one sentence each
};

struct Architecture {
  std::string model_type;
  std::vector<std::string> architectures;
  std::string torch_dtype;
  std::optional<int64_t> hidden_size, intermediate_size, num_hidden_layers, num_attention_heads, num_key_value_heads,
      vocab_size;
  std::optional<bool> tie_word_embeddings;
  std::string source;  // "config.json" or "tensors"
};

// Invariant: header + tensors + stray == files (of readable weight files).
struct ByteTotals {
  int64_t files = 0, headers = 0, tensors = 0, stray = 0;
  int64_t quantized = 0;                   // tensors of quantized modules
  int64_t dense = 0;                       // all other tensors
  int64_t dense_equivalent = 0;            // the whole model at 16 bits
  int64_t quantized_dense_equivalent = 0;  // the quantized modules alone at 16 bits
  // The whole model as the settings promise it: the matrices of the repeated layers that hold quantized modules at the
  // settings' bits, all others (embeddings, heads, norms) at 16 bits.
  int64_t promised = 0;
  double ratio = 0, ratio_promised = 0;  // dense_equivalent over tensors, over promised; 0 = unknown
  int64_t parameters = 0;  // weights of the model, packed ones counted as what they stand for; 0 = unknown
  std::string ratio_note;
};

struct Coverage {  // of the tensor data behind the evidence
  int64_t modules_read = 0, modules = 0, bytes_read = 0;
  bool complete = false;
};

enum class Outcome { kRejects, kFallsBack, kGarbage, kSlow, kLoads, kUnknown };
const char* ToString(Outcome outcome);

struct LoaderStep {
  std::string step;    // "config", "method", "kernel", "weights", "modules", "tensors", ...
  std::string detail;  // what the loader does here with this directory
  std::string source;  // repository, file, version of the rule
  bool deciding = false;
};

struct LoaderOutcome {
  std::string loader, version, backend;
  std::string versions;  // the range the profile holds for, ">=0.9,<0.15"
  Outcome outcome = Outcome::kUnknown;
  std::string summary;  // one sentence
  std::string message;  // what the user would see, verbatim where it is known
  std::string kernel;
  std::string remedy;  // what would change it, a command where there is one
  std::vector<std::string> assumptions;
  std::vector<LoaderStep> steps;
  std::vector<std::string> rules;  // ids of the profile facts that decided
};

struct FallbackCost {
  std::string dtype;  // "float16", "bfloat16", "float32"
  int64_t bytes = 0;
  std::string when;
};

struct MemoryBrief {               // the three numbers `inspect` shows; `memory` has the whole ledger
  std::optional<int64_t> weights;  // resident as is
  std::optional<int64_t> kv_bytes_per_token;
  std::vector<FallbackCost> fallback;
  std::vector<std::string> assumptions;
};

struct TensorRow {  // for `tensors`
  std::string name, dtype, file;
  std::vector<uint64_t> shape;
  uint64_t begin = 0, end = 0;  // absolute offsets in the file
  std::string logical;          // "X.weight" of a quantized module's component
};

struct Diagnosis {
  std::string path;                  // as the user gave it
  std::string kind;                  // "gptq" whenever GPTQ modules exist; "dense", "awq", ..., "unknown", "empty"
  std::string verdict;               // one sentence for people
  std::vector<std::string> missing;  // consequences in plain words, worst first
  std::string repair_command;        // the one command that repairs it; empty if none
  std::vector<FormatShare> formats;
  Architecture architecture;
  std::vector<FileRow> files;
  ByteTotals bytes;
  std::optional<Quantization> quantization;  // null for foreign formats
  std::vector<Evidence> evidence;
  Coverage coverage;
  int64_t tensors_total = 0, quantized_tensors = 0, modules_quantized = 0, modules_dense = 0;
  std::vector<ModuleGroup> settings;
  std::vector<ModuleRow> modules;  // on request
  std::vector<ConfigState> configs;
  std::vector<Finding> findings;
  std::vector<LoaderOutcome> loaders;
  MemoryBrief memory;
  std::vector<Error> errors;  // inputs that could not be examined: exit code 3
};

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_DIAGNOSIS_H_
