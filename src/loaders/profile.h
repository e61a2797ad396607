#ifndef GPTQ_DOCTOR_LOADERS_PROFILE_H_
#define GPTQ_DOCTOR_LOADERS_PROFILE_H_

// What is known about other programs that load GPTQ directories: one Profile a loader, version range and back end, as
// data with the source of every group of facts. The stages (stages.h) interpret these rows; only what a row cannot say
// is code, one small file a loader. Rows live in profiles_*.cc, one file a family.

#include <cstdint>
#include <span>
#include <string_view>

namespace gptq_doctor {

class Walk;

// "0.7.1" -> {0, 7, 1}; "main" -> kMainVersion.
struct Version {
  int major = 0, minor = 0, patch = 0;
  auto operator<=>(const Version&) const = default;
};
inline constexpr Version kMainVersion{1'000'000, 0, 0};

// ---- configuration -------------------------------------------------------------------------------------------------

struct ConfigPlace {
  std::string_view file;     // "config.json"
  std::string_view pointer;  // "" or "/quantization_config"
  bool must_hold = false;    // the file exists without the section: KeyError
};

enum class NoConfig : uint8_t {
  kRejects,
  kDenseModel,  // a plain model is built, whatever the tensors are
  kDefaults,    // goes on with its defaults
  kNotNeeded,   // tensors alone decide
};

// Settings as bits of a set.
enum KeyBit : uint16_t { kKeyBits = 1, kKeyGroupSize = 2, kKeyDescAct = 4, kKeySym = 8, kKeyMethod = 16 };

// Which of `checkpoint_format` and `format` is obeyed.
enum class FormatKey : uint8_t { kNotRead, kCheckpointFormat, kLastOfBoth, kFormatFirst, kCheckpointFormatFirst };

struct KeyAlias {
  std::string_view spelling, field;
};

struct ConfigFacts {
  std::span<const ConfigPlace> places;  // the first that exists is taken
  bool only_first = false;              // only the first place is ever opened for a local directory
  NoConfig no_config = NoConfig::kRejects;
  std::string_view no_config_message;
  Version transformers = {};          // whose AutoConfig reads config.json; {}: the row does not say
  std::string_view no_type_message;   // config.json names no model_type; empty: what transformers' AutoConfig says
  std::string_view null_message;      // the section is null; empty: as if it were absent
  bool digit_strings = false;         // bits "4" is taken for 4
  uint16_t required = 0;              // KeyBit set
  std::string_view required_message;  // {key}
  int bits = 4;                       // values taken for absent keys
  int64_t group_size = 128;
  bool desc_act = false;
  bool sym = true;
  std::span<const KeyAlias> aliases;
  FormatKey format_key = FormatKey::kNotRead;
  bool lower_keys = false;           // key names are lower-cased first
  bool lower_format = false;         // the format's value is lower-cased first
  bool unknown_key_rejects = false;  // the JSON is splatted into a constructor
  // Keys that stand for the format in kLastOfBoth and kFormatFirst, in the file's order like the format's own:
  bool method_names_format = false;            // quant_method "marlin" or "bitblas"
  bool flag_names_format = false;              // a true is_marlin_format
  bool version_names_format = false;           // version, an alias of format
  std::string_view not_object_member = "get";  // what is asked first of settings that are no object; empty: TypeError
  std::string_view source;
};

enum class UnknownMethod : uint8_t { kIgnored, kRejects, kDenseModel };

struct MethodFacts {
  std::span<const std::string_view> accepted;  // of quant_method; empty: the key is not read
  bool case_sensitive = true;
  bool required = false;
  std::string_view missing_message;
  std::span<const std::string_view> elsewhere;  // methods that other quantizers of the same library take
  UnknownMethod unknown = UnknownMethod::kIgnored;
  std::string_view unknown_message;     // {x}
  std::string_view not_string_message;  // {t} its Python type, {v}; empty: null counts as absent
  std::string_view source;
};

// What a declared setting may be before any kernel is asked.
struct LimitFacts {
  uint32_t bits = 0;                                      // bit b set: b bits allowed; 0: not checked
  std::string_view bits_message, group_size_message;      // {b}, {g}
  std::string_view bits_type_message, bits_word_message;  // bits is no number, or a string that is none; {b}
  std::string_view one_bit_message;                       // bits 1; empty: bits_message
  bool group_size_checked = false;                        // -1 or above 0, else group_size_message
  std::span<const std::string_view> formats;              // values of checkpoint_format; empty: any
  std::string_view format_message;                        // {f}, {m}
  std::string_view damp_message;                          // damp_percent outside (0, 1); empty: not checked
  bool damp_null = false;                                 // a null damp_percent is its default
  std::string_view damp_increment_message;                // damp_auto_increment below 0
  std::string_view meta_message;                          // meta is no object
  std::string_view dynamic_bits_message;                  // {k}: bits of a rule of `dynamic`
  std::string_view dynamic_group_message;                 // its group_size; empty: group_size_message
  std::string_view source;
};

// ---- files ---------------------------------------------------------------------------------------------------------

enum class FileRule : uint8_t {
  kNamed,            // base names in order; for each: the index if `index_first`, then the single file
  kSingleThenIndex,  // model.safetensors, then its index, then pickles
  kGlob,             // every *.safetensors of the folder, narrowed by the index if `index_filters`
  kModelPrefix,      // names that start with "model"
  kIndexThenModel,   // index, then model*.safetensors, then any *.safetensors
};

enum class MissingShard : uint8_t { kRejects, kDropped, kNotNoticed };

struct FileFacts {
  FileRule rule = FileRule::kGlob;
  std::span<const std::string_view> bases;    // {bits}, {group_size}, {base} (model_file_base_name) filled in
  bool index_first = false;                   // kNamed: sharded checkpoints are known
  bool safetensors = true;                    // false: .bin and .pt only, unless asked otherwise
  bool index_filters = false;                 // kGlob: files that the index does not name are dropped
  bool pickles = false;                       // kModelPrefix, kIndexThenModel: .bin where no safetensors are
  bool consolidated_wins = false;             // kGlob: consolidated*.safetensors push all others out
  std::span<const std::string_view> skipped;  // kGlob: files whose names hold one of these are left out
  bool named_by_config = false;               // config.json's transformers_weights names the file
  bool duplicates_reject = false;
  std::string_view duplicates_message;  // {k}, {a}, {b}
  std::string_view none_message;        // {dir}, {names}
  MissingShard missing_shard = MissingShard::kRejects;
  std::string_view missing_shard_message;  // {files}
  std::string_view source;
};

// ---- kernels -------------------------------------------------------------------------------------------------------

enum class Zeros : uint8_t {
  kUnused,       // zero = 2^(bits-1)
  kAlwaysV1,     // stored + 1
  kByFormat,     // stored, + 1 unless the declared format is gptq_v2
  kRawUnlessV1,  // + 1 only where the declared format is exactly "gptq"
};
enum class GroupIndex : uint8_t { kRead, kIgnored, kIfDescAct };
enum class Tri : uint8_t { kAny, kOnlyTrue, kOnlyFalse };
enum DtypeBit : uint8_t { kFp16 = 1, kBf16 = 2, kFp32 = 4 };
enum PlatformBit : uint8_t { kCuda = 1, kRocm = 2, kCpu = 4, kXpu = 8 };

struct KernelRow {
  std::string_view name;
  uint32_t bits = 0;                     // bit b set: b bits
  std::span<const int64_t> group_sizes;  // empty: any; a group that spans the whole input is always in
  Tri sym = Tri::kAny, desc_act = Tri::kAny;
  int in_multiple = 1, out_multiple = 1;
  bool in_by_group = false;    // in_features % group_size == 0
  int min_sm = 0, max_sm = 0;  // 75 for compute capability 7.5; 0: no bound
  uint8_t platforms = kCuda;
  uint8_t dtypes = kFp16 | kBf16;
  Zeros zeros = Zeros::kAlwaysV1;
  GroupIndex g_idx = GroupIndex::kRead;
  bool v2 = true;       // takes checkpoint_format gptq_v2
  bool planar = false;  // takes gptq_p
  bool slow = false;
  bool by_settings = false;  // picked by bits alone: shapes it cannot take stop the load, no other kernel is tried
  std::string_view refusal;  // what the program prints where this is the last candidate; may be empty
  std::string_view source;
};

// ---- modules and tensors -------------------------------------------------------------------------------------------

enum class ModuleRule : uint8_t {
  kByTensors,     // whatever owns GPTQ tensors
  kHeaders,       // vLLM since September 2025: the list in the config, else every module with a non-float tensor
  kAllLinears,    // every linear layer of the engine's model class, routers and vision towers excepted
  kBlockLinears,  // optimum: every nn.Linear under the block prefix
  kOutside,       // AutoGPTQ up to 0.5: every nn.Linear outside the head and the layers' siblings
  kSuffixes,      // the architecture's list of suffixes
  kExpertsOnly,
};
enum class LmHeadRule : uint8_t { kNever, kIfKey, kIfTensors, kIfKeyOrTensors };
enum class Unexpected : uint8_t { kIgnored, kWarns, kRejects };
enum class Shapes : uint8_t { kNotCompared, kRejects, kEngine };
// What is asked of __metadata__ in the safetensors header.
enum class MetadataRule : uint8_t {
  kIgnored,
  kAccelerate,     // absent: a warning; present without a known format: stops
  kTransformers4,  // absent: AttributeError (up to 4.48)
  kKnownFormat,    // absent: accepted; present with an unknown format: stops
};
// kKept: whatever bias is stored is taken, or judged by the loader's own code.
enum class BiasRule : uint8_t { kByArchitecture, kAlwaysBuilt, kKept };

// Names that patterns of `dynamic` are matched against: as the files spell modules, or as vLLM and SGLang name the
// layers they build.
enum class NameStyle : uint8_t { kFiles, kEngines };

// A loader's list of architectures is one table for all its versions.
struct ArchitectureRow {
  std::string_view model_types;  // space-separated
  std::string_view suffixes;     // space-separated; empty: known by name only
  Version since = {};            // first version of the loader that lists them
  Version until = {1'000'001, 0, 0};
};

struct ModuleFacts {
  ModuleRule rule = ModuleRule::kByTensors;
  bool dynamic = false;                 // reads `dynamic`
  NameStyle names = NameStyle::kFiles;  // that its patterns are matched against
  std::string_view pattern_message;     // {re}, {regex}, {p}: one is no regular expression
  bool modules_in_block = false;        // reads modules_in_block_to_quantize
  bool stacked_experts = false;  // experts are one parameter, routers no linear layers: what becomes of packed ones is
                                 // not known
  LmHeadRule lm_head = LmHeadRule::kNever;
  std::span<const ArchitectureRow> architectures;  // empty: any that the base library knows
  bool fold_type_case = false;                     // model_type is lower-cased for the look-up
  std::string_view type_message;                   // {model_type}
  std::string_view source;
};

struct TensorFacts {
  Unexpected unexpected = Unexpected::kWarns;
  std::string_view unexpected_message;  // {dir}, {Class}, {name}, {names}, {stem}
  bool missing_reported = false;        // says which weights it initialised itself
  std::string_view missing_value;       // what a tensor without a source holds
  Shapes shapes = Shapes::kRejects;
  std::string_view shape_message;  // {leaf}, {stored}, {built}, {name}
  bool g_idx_required = false;
  std::string_view g_idx_message;  // {stem}
  BiasRule bias = BiasRule::kByArchitecture;
  MetadataRule metadata = MetadataRule::kIgnored;
  std::string_view source;
};

// ---- a row ---------------------------------------------------------------------------------------------------------

// A step of a loader's procedure; false: the outcome is decided and the walk ends.
using Stage = bool (*)(Walk&);

struct Profile {
  std::string_view loader;                        // id of DESIGN.md 4
  std::string_view version;                       // the release the row is named after, or "main"
  std::string_view versions;                      // range it holds for, in words people read: ">=0.7.1,<0.8"
  Version since, until;                           // the same for selectors, until exclusive
  std::string_view backend;                       // "auto-gptq", "gptqmodel", "" where there is no choice
  std::string_view title;                         // "AutoGPTQ 0.7.1"
  std::string_view revision;                      // sources read: repository and commit
  std::string_view as_of;                         // date of those sources, YYYY-MM
  bool brief = false;                             // in the default set of `inspect`
  std::span<const std::string_view> assumptions;  // what a directory cannot tell
  ConfigFacts config;
  MethodFacts method;
  LimitFacts limits;
  FileFacts files;
  std::span<const KernelRow> kernels;  // in order of preference
  bool per_module_kernels = false;     // else one kernel serves the whole model
  ModuleFacts modules;
  TensorFacts tensors;
  std::span<const Stage> stages;  // in the loader's own order
};

// All rows, in the order of the documentation.
std::span<const Profile* const> AllProfiles();

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_LOADERS_PROFILE_H_
