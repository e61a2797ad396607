#ifndef GPTQ_DOCTOR_RULES_CHECKS_H_
#define GPTQ_DOCTOR_RULES_CHECKS_H_

// The checks behind the rows of the rule table, and what they share. Each is silent unless sure.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gptq_doctor/diagnosis.h"
#include "infer/evidence.h"
#include "rules/findings.h"
#include "rules/rule.h"

namespace gptq_doctor {

// What checks share (support.cc).
FixHint FixCommand(const RuleInput& input, std::string_view applicability, std::string_view description,
                   std::string_view options = {});
// Names the modules of a class in a report: as many as the sink wants, all of them counted, the file of the first.
void NameClass(const RuleInput& input, const FindingSink& sink, uint32_t class_id, Observation& report);
void NameModule(const RuleInput& input, uint32_t module, Observation& report);
std::string FileOfModule(const Examination& exam, uint32_t module);
// The whole directory is examined, not one file of it: absences mean something.
bool WholeDirectory(const RuleInput& input);

// A file that declares GPTQ settings and could be read; none for namesakes, foreign methods and malformed files.
bool DeclaresGptq(const QuantConfigFile& file);
std::vector<const QuantConfigFile*> GptqFiles(const Examination& exam);
// "quantize_config.json", "config.json at /quantization_config".
std::string PlaceName(const QuantConfigFile& file);
// A report about one key of a file: place, value and pointer filled in. The key may be absent.
Observation KeyReport(const QuantConfigFile& file, std::string_view key);
// What was inferred for a key; null where nothing was.
const Evidence* EvidenceOf(const Examination& exam, std::string_view key);
const Module& Representative(const Examination& exam, uint32_t class_id);
bool IsGptqClass(const Examination& exam, uint32_t class_id);
// The linear layer that chooses experts.
bool IsRouter(std::string_view pattern);
// A dense matrix that a linear layer could hold: X.weight of rank 2, no embedding, no norm.
bool IsDenseLinear(const Examination& exam, uint32_t class_id);

// Files (defects.cc).
void CheckMetadataMissing(const RuleInput& input, FindingSink& sink);
void CheckPackerName(const RuleInput& input, FindingSink& sink);
void CheckNoWeights(const RuleInput& input, FindingSink& sink);

// Settings: presence and form (config_files.cc).
void CheckConfigMissing(const RuleInput& input, FindingSink& sink);
void CheckQuantizeConfigAbsent(const RuleInput& input, FindingSink& sink);
void CheckSectionAbsent(const RuleInput& input, FindingSink& sink);
void CheckIncomplete(const RuleInput& input, FindingSink& sink);
void CheckMalformed(const RuleInput& input, FindingSink& sink);
void CheckFilesDisagree(const RuleInput& input, FindingSink& sink);
void CheckSelfContradiction(const RuleInput& input, FindingSink& sink);
void CheckSpelling(const RuleInput& input, FindingSink& sink);
void CheckCalibrationData(const RuleInput& input, FindingSink& sink);
void CheckNamesake(const RuleInput& input, FindingSink& sink);

// Settings against tensors (config_tensors.cc). CheckDeclaredSettings reports GD106, GD107 and GD116.
void CheckDeclaredSettings(const RuleInput& input, FindingSink& sink);
void CheckSym(const RuleInput& input, FindingSink& sink);
void CheckFormat(const RuleInput& input, FindingSink& sink);
void CheckDescAct(const RuleInput& input, FindingSink& sink);
void CheckPackDtype(const RuleInput& input, FindingSink& sink);
void CheckLmHead(const RuleInput& input, FindingSink& sink);

// Which modules are declared quantized (config_modules.cc). CheckDynamic reports GD115 and GD117.
void CheckDynamic(const RuleInput& input, FindingSink& sink);
void CheckMethod(const RuleInput& input, FindingSink& sink);
void CheckDeclaredDense(const RuleInput& input, FindingSink& sink);
void CheckNotQuantized(const RuleInput& input, FindingSink& sink);
void CheckModuleList(const RuleInput& input, FindingSink& sink);
void CheckDenseUndeclared(const RuleInput& input, FindingSink& sink);

// The rest of the directory (model_config_rules.cc, directory_rules.cc). CheckConfigJson reports GD140, GD141 and
// GD142; CheckTokenizer GD144 and GD145.
void CheckConfigJson(const RuleInput& input, FindingSink& sink);
void CheckArchitecture(const RuleInput& input, FindingSink& sink);
void CheckTokenizer(const RuleInput& input, FindingSink& sink);
void CheckRemoteCode(const RuleInput& input, FindingSink& sink);
void CheckAdapter(const RuleInput& input, FindingSink& sink);
void CheckDtype(const RuleInput& input, FindingSink& sink);
void CheckActOrderBuffer(const RuleInput& input, FindingSink& sink);

// Structure of modules (structure.cc). CheckDtypes reports GD303 and GD304; CheckShapes GD302 and GD305.
void CheckComponents(const RuleInput& input, FindingSink& sink);
void CheckShapes(const RuleInput& input, FindingSink& sink);
void CheckDtypes(const RuleInput& input, FindingSink& sink);
void CheckDenseBeside(const RuleInput& input, FindingSink& sink);
void CheckWidths(const RuleInput& input, FindingSink& sink);
void CheckTensorParallel(const RuleInput& input, FindingSink& sink);
void CheckFormats(const RuleInput& input, FindingSink& sink);
void CheckFloatZeros(const RuleInput& input, FindingSink& sink);
void CheckGIdxAbsent(const RuleInput& input, FindingSink& sink);

// Which modules are quantized (module_sets.cc).
void CheckFused(const RuleInput& input, FindingSink& sink);
void CheckRouters(const RuleInput& input, FindingSink& sink);
void CheckVision(const RuleInput& input, FindingSink& sink);
void CheckTiedHead(const RuleInput& input, FindingSink& sink);
void CheckExperts(const RuleInput& input, FindingSink& sink);
void CheckLayers(const RuleInput& input, FindingSink& sink);
void CheckSiblings(const RuleInput& input, FindingSink& sink);

// Values (values.cc).
void CheckExtraBiases(const RuleInput& input, FindingSink& sink);
void CheckActOrderWithoutGIdx(const RuleInput& input, FindingSink& sink);

// Dense linear classes inside quantized blocks that no setting leaves out (config_modules.cc); encoders are not among
// them.
std::vector<uint32_t> UndeclaredDense(const RuleInput& input);

// Size (size.cc) and run (loaders.cc).
void CheckCompression(const RuleInput& input, FindingSink& sink);
void CheckListing(const RuleInput& input, FindingSink& sink);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_RULES_CHECKS_H_
