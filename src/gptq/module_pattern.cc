#include "gptq/module_pattern.h"

#include <string>

namespace gptq_doctor {
namespace {

using Set = std::bitset<256>;
using Op = ModulePattern::Op;

constexpr size_t kMaxProgram = 20'000;  // instructions; counted repetitions are expanded
constexpr int kMaxDepth = 60;           // nested groups
constexpr int kMaxLooks = 2;     // look-ahead inside look-ahead; each level multiplies the time by the name's length
constexpr int kMaxCount = 1000;  // {m,n}

bool IsWord(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// \d \w \s and their complements; false for any other letter.
bool ClassEscape(char letter, Set* set) {
  Set out;
  for (int i = 0; i < 256; ++i) {
    const auto c = static_cast<unsigned char>(i);
    switch (letter | 0x20) {
      case 'd':
        out[i] = c >= '0' && c <= '9';
        break;
      case 'w':
        out[i] = IsWord(c);
        break;
      case 's':
        out[i] = c == ' ' || (c >= 9 && c <= 13);
        break;
      default:
        return false;
    }
  }
  *set = (letter & 0x20) != 0 ? out : ~out;
  return true;
}

}  // namespace

// Recursive descent over the pattern, emitting instructions. `ok_` turns false at the first thing that is not
// supported.
class PatternCompiler {
 public:
  explicit PatternCompiler(std::string_view pattern) : pattern_(pattern) {}

  std::optional<ModulePattern> Compile() {
    Alternatives(0);
    if (at_ != pattern_.size()) ok_ = false;
    Emit({.op = Op::kAccept});
    if (!ok_) return std::nullopt;
    for (const ModulePattern::Instruction& instruction : out_.program_) {
      if (instruction.op == Op::kStart && out_.prefix_.empty()) continue;  // every match starts there
      if (instruction.op != Op::kSet || out_.sets_[instruction.x].count() != 1) break;
      out_.prefix_ += static_cast<char>(out_.sets_[instruction.x]._Find_first());
    }
    return std::move(out_);
  }

 private:
  uint32_t here() const { return static_cast<uint32_t>(out_.program_.size()); }
  bool More() const { return ok_ && at_ < pattern_.size(); }
  bool Eat(char c) {
    if (!More() || pattern_[at_] != c) return false;
    ++at_;
    return true;
  }
  uint32_t Emit(ModulePattern::Instruction instruction) {
    if (out_.program_.size() >= kMaxProgram) ok_ = false;
    if (ok_) out_.program_.push_back(instruction);
    return ok_ ? here() - 1 : 0;
  }
  void EmitSet(const Set& set) {
    Emit({.op = Op::kSet, .x = static_cast<uint32_t>(out_.sets_.size())});
    if (ok_) out_.sets_.push_back(set);
  }
  using Body = std::vector<ModulePattern::Instruction>;
  // Takes what was emitted since `start` out of the program.
  Body Cut(uint32_t start) {
    if (!ok_) return {};
    Body body(out_.program_.begin() + start, out_.program_.end());
    out_.program_.resize(start);
    return body;
  }

  void Alternatives(int depth) {
    if (depth > kMaxDepth) ok_ = false;
    if (!ok_) return;
    const uint32_t start = here();
    std::vector<Body> branches;
    do {
      Sequence(depth);
      branches.push_back(Cut(start));
    } while (Eat('|'));
    std::vector<uint32_t> jumps;
    for (size_t i = 0; ok_ && i < branches.size(); ++i) {
      const bool last = i + 1 == branches.size();
      const uint32_t split = last ? 0 : Emit({.op = Op::kSplit, .x = here() + 1});
      Append(branches[i], start);
      if (last) break;
      jumps.push_back(Emit({.op = Op::kJump}));
      if (ok_) out_.program_[split].y = here();
    }
    for (uint32_t jump : jumps) {
      if (ok_) out_.program_[jump].x = here();
    }
  }

  void Sequence(int depth) {
    while (More() && pattern_[at_] != '|' && pattern_[at_] != ')') {
      const uint32_t start = here();
      Atom(depth);
      Quantifiers(start);
    }
  }

  void Atom(int depth) {
    const char c = pattern_[at_++];
    switch (c) {
      case '.':
        EmitSet(~Set().set('\n'));
        return;
      case '^':
        Emit({.op = Op::kStart});
        return;
      case '$':
        Emit({.op = Op::kEnd});
        return;
      case '[':
        Bracket();
        return;
      case '(':
        Group(depth);
        return;
      case '\\':
        Escape();
        return;
      case '*':
      case '+':
      case '?':
        ok_ = false;
        return;
      default:
        EmitSet(Set().set(static_cast<unsigned char>(c)));
    }
  }

  void Escape() {
    if (!More()) {
      ok_ = false;
      return;
    }
    const char c = pattern_[at_++];
    Set set;
    if (ClassEscape(c, &set)) return EmitSet(set);
    if (c == 'b' || c == 'B') {
      Emit({.op = Op::kBoundary, .negate = c == 'B'});
    } else if (c == 'A') {
      Emit({.op = Op::kStart});
    } else if (c == 'Z') {
      Emit({.op = Op::kEnd});
    } else if (IsWord(static_cast<unsigned char>(c)) && c != '_') {
      ok_ = false;  // back references and escapes that no module name needs
    } else {
      EmitSet(Set().set(static_cast<unsigned char>(c)));
    }
  }

  void Group(int depth) {
    if (!Eat('?')) {
      Alternatives(depth + 1);
    } else if (Eat(':')) {
      Alternatives(depth + 1);
    } else if (More() && (pattern_[at_] == '=' || pattern_[at_] == '!')) {
      const uint32_t look = Emit({.op = Op::kLook, .negate = pattern_[at_++] == '!'});
      if (++looks_ > kMaxLooks) ok_ = false;
      Alternatives(depth + 1);
      --looks_;
      Emit({.op = Op::kAccept});
      if (ok_) out_.program_[look].x = here();
    } else {
      ok_ = false;
    }
    if (!Eat(')')) ok_ = false;
  }

  void Bracket() {
    Set set;
    const bool negate = Eat('^');
    bool first = true;
    while (More() && (pattern_[at_] != ']' || first)) {
      first = false;
      Set item;
      const int low = BracketItem(&item);
      if (low >= 0 && at_ + 1 < pattern_.size() && pattern_[at_] == '-' && pattern_[at_ + 1] != ']') {
        ++at_;
        const int high = BracketItem(&item);
        if (high < low) ok_ = false;
        for (int i = low; ok_ && i <= high; ++i) set.set(static_cast<size_t>(i));
      } else {
        set |= item;
      }
    }
    if (!Eat(']')) ok_ = false;
    EmitSet(negate ? ~set : set);
  }
  // One character or class; the character, or -1 for a class.
  int BracketItem(Set* item) {
    item->reset();
    char c = pattern_[at_++];
    if (c == '\\') {
      if (!More()) {
        ok_ = false;
        return -1;
      }
      c = pattern_[at_++];
      if (ClassEscape(c, item)) return -1;
      if (IsWord(static_cast<unsigned char>(c)) && c != '_') ok_ = false;
    }
    item->set(static_cast<unsigned char>(c));
    return static_cast<unsigned char>(c);
  }

  void Quantifiers(uint32_t start) {
    if (!More()) return;
    const char c = pattern_[at_];
    int low = 0, high = -1;
    if (c == '*') {
      ++at_;
    } else if (c == '+') {
      ++at_;
      low = 1;
    } else if (c == '?') {
      ++at_;
      high = 1;
    } else if (c != '{' || !Count(&low, &high)) {
      return;
    }
    Eat('?');  // lazy: the same set of matches
    Repeat(start, low, high);
    // A second one is possessive or, for Python, no expression.
    if (More() && (pattern_[at_] == '*' || pattern_[at_] == '+' || pattern_[at_] == '?' || pattern_[at_] == '{'))
      ok_ = false;
  }
  // "{m}", "{m,}", "{,n}", "{m,n}"; anything else is literal text in Python, which no module name needs.
  bool Count(int* low, int* high) {
    size_t at = at_ + 1;
    const auto number = [&](int missing) {
      int value = 0;
      bool any = false;
      for (; at < pattern_.size() && pattern_[at] >= '0' && pattern_[at] <= '9' && value <= kMaxCount; ++at) {
        value = value * 10 + (pattern_[at] - '0');
        any = true;
      }
      return any ? value : missing;
    };
    *low = number(0);
    *high = *low;
    if (at < pattern_.size() && pattern_[at] == ',') {
      ++at;
      *high = number(-1);
    }
    if (at >= pattern_.size() || pattern_[at] != '}' || *low > kMaxCount || *high > kMaxCount) {
      ok_ = false;
      return false;
    }
    at_ = at + 1;
    return true;
  }

  // The instructions from `start` on become a repetition of low..high times; high -1 means no bound.
  void Repeat(uint32_t start, int low, int high) {
    if (high >= 0 && high < low) ok_ = false;
    if (!ok_) return;
    const Body body = Cut(start);
    for (int i = 0; i < low && ok_; ++i) Append(body, start);
    if (high < 0) {
      const uint32_t split = Emit({.op = Op::kSplit, .x = here() + 1});
      Append(body, start);
      Emit({.op = Op::kJump, .x = split});
      if (ok_) out_.program_[split].y = here();
      return;
    }
    std::vector<uint32_t> splits;
    for (int i = low; i < high && ok_; ++i) {
      splits.push_back(Emit({.op = Op::kSplit, .x = here() + 1}));
      Append(body, start);
    }
    for (uint32_t split : splits) {
      if (ok_) out_.program_[split].y = here();
    }
  }
  // A copy of `body`, which was compiled to stand at `origin`.
  void Append(const Body& body, uint32_t origin) {
    const uint32_t shift = here() - origin;
    for (ModulePattern::Instruction instruction : body) {
      if (instruction.op == Op::kSplit || instruction.op == Op::kJump || instruction.op == Op::kLook)
        instruction.x += shift;
      if (instruction.op == Op::kSplit) instruction.y += shift;
      Emit(instruction);
    }
  }

  std::string_view pattern_;
  size_t at_ = 0;
  bool ok_ = true;
  int looks_ = 0;
  ModulePattern out_;
};

std::optional<ModulePattern> ModulePattern::Compile(std::string_view pattern) {
  return PatternCompiler(pattern).Compile();
}

bool ModulePattern::Matches(std::string_view name, int64_t& budget) const {
  --budget;
  return name.starts_with(prefix_) && Run(0, name, 0, 0, budget);
}

// Simulation of all alternatives at once: a list of live instructions a position, each at most once.
bool ModulePattern::Run(uint32_t start, std::string_view name, size_t at, int depth, int64_t& budget) const {
  constexpr size_t kClearedAStep = 16;  // entries of `seen`
  budget -= static_cast<int64_t>(program_.size() / kClearedAStep);
  if (depth > kMaxDepth || budget < 0) return false;
  std::vector<uint32_t> live, next, todo;
  std::vector<size_t> seen(program_.size(), 0);  // position + 1 at which an instruction was last added
  const auto add = [&](std::vector<uint32_t>* list, uint32_t first, size_t position) {
    todo.assign(1, first);
    while (!todo.empty() && --budget >= 0) {
      const uint32_t pc = todo.back();
      todo.pop_back();
      if (seen[pc] == position + 1) continue;
      seen[pc] = position + 1;
      const Instruction& i = program_[pc];
      const auto word = [&](size_t p) { return p < name.size() && IsWord(static_cast<unsigned char>(name[p])); };
      switch (i.op) {
        case Op::kJump:
          todo.push_back(i.x);
          break;
        case Op::kSplit:
          todo.push_back(i.y);
          todo.push_back(i.x);
          break;
        case Op::kStart:
          if (position == 0) todo.push_back(pc + 1);
          break;
        case Op::kEnd:
          if (position == name.size()) todo.push_back(pc + 1);
          break;
        case Op::kBoundary:
          if (((position > 0 && word(position - 1)) != word(position)) != i.negate) todo.push_back(pc + 1);
          break;
        case Op::kLook:
          if (Run(pc + 1, name, position, depth + 1, budget) != i.negate) todo.push_back(i.x);
          break;
        case Op::kAccept:
          return true;
        case Op::kSet:
          list->push_back(pc);
          break;
      }
    }
    return false;
  };
  if (add(&live, start, at)) return true;
  for (size_t position = at; position < name.size() && !live.empty() && budget >= 0; ++position) {
    budget -= static_cast<int64_t>(live.size());
    next.clear();
    for (uint32_t pc : live) {
      if (!sets_[program_[pc].x].test(static_cast<unsigned char>(name[position]))) continue;
      if (add(&next, pc + 1, position + 1)) return true;
    }
    live.swap(next);
  }
  return false;
}

}  // namespace gptq_doctor
