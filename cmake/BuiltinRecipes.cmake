# Writes FOLDER/builtin_recipes.cc, the source that puts the files of recipes/ into the program.
file(GLOB_RECURSE recipes RELATIVE ${PROJECT_SOURCE_DIR}/recipes CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/recipes/*.yaml)
list(SORT recipes)
set(entries "")
foreach(recipe ${recipes})
  file(READ ${PROJECT_SOURCE_DIR}/recipes/${recipe} text)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/recipes/${recipe})
  string(REGEX REPLACE "\\.yaml$" "" name ${recipe})
  string(APPEND entries "      {\"${name}\", R\"fakequant(${text})fakequant\"},\n")
endforeach()
file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/builtin_recipes.cc @ONLY CONTENT
"// Made by cmake/BuiltinRecipes.cmake.
#include \"recipe/builtin_recipes.h\"

namespace fakequant {

const std::vector<BuiltinRecipe>& builtin_recipes() {
  static const std::vector<BuiltinRecipe> recipes = {
@entries@  };
  return recipes;
}

}  // namespace fakequant
")
