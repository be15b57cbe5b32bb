#include "serve/playground_variants.h"

#include <algorithm>

#include "serve/refusal.h"

namespace fakequant {

PlaygroundVariants::List::iterator PlaygroundVariants::at(const std::string& id) {
  return std::find_if(variants_.begin(), variants_.end(), [&](const auto& variant) { return variant->id() == id; });
}

std::shared_ptr<PlaygroundVariant> PlaygroundVariants::find(const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto found = at(id);
  if (found == variants_.end()) {
    throw Refusal(404, "the playground has no such variant: it was not used for long, and others were",
                  "variant_not_found");
  }
  variants_.splice(variants_.begin(), variants_, found);
  return variants_.front();
}

void PlaygroundVariants::keep(const std::shared_ptr<PlaygroundVariant>& variant) {
  std::shared_ptr<PlaygroundVariant> dropped;  // ends when the lock is released
  const std::lock_guard lock(mutex_);
  if (at(variant->id()) != variants_.end()) return;
  variants_.push_front(variant);
  if (variants_.size() <= kMost) return;
  dropped = std::move(variants_.back());
  variants_.pop_back();
}

bool PlaygroundVariants::drop(const std::string& id) {
  std::shared_ptr<PlaygroundVariant> dropped;
  const std::lock_guard lock(mutex_);
  const auto found = at(id);
  if (found == variants_.end()) return false;
  dropped = std::move(*found);
  variants_.erase(found);
  return true;
}

}  // namespace fakequant
