// The variants of all pages that use the playground, by their ids. There are few at once: a page that wants one more
// takes the place of the one that was unused for the longest time.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "serve/playground_variant.h"

namespace fakequant {

class PlaygroundVariants {
 public:
  static constexpr std::size_t kMost = 4;

  // Throws a Refusal where there is none of this id.
  std::shared_ptr<PlaygroundVariant> find(const std::string& id);

  // Adds one that is not there.
  void keep(const std::shared_ptr<PlaygroundVariant>& variant);

  // Returns whether there was one. Who uses it may go on.
  bool drop(const std::string& id);

 private:
  using List = std::list<std::shared_ptr<PlaygroundVariant>>;
  List::iterator at(const std::string& id);

  std::mutex mutex_;
  List variants_;  // the one that was used last is the first
};

}  // namespace fakequant
