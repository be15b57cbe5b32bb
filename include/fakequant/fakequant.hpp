// The C++ interface of fakequant: number formats, models under recipes of them, sweeps, studies and plans.
//
//     fakequant::Session session("model.gguf");
//     const auto result = session.evaluate({{"w4", {"w:matrices=int4,per=block,block=32"}}}, {{"text.txt"}});
//     std::printf("%g nats\n", result.variants[0].figures.kld.value);
//
// Figures are those of the program, to the bit. Functions that fail throw fakequant::Error and nothing else. None
// prints, ends the process, or changes a signal handler or the locale. llama.cpp's log, which is the process's, is
// silenced when the first model is loaded; llama.cpp ends the process itself where it finds a fault that was not found
// before (ggml_set_abort_callback tells a program of it).
//
// All functions may be called from several threads at once. Options are plain values, which may grow: name the members
// that are set.
#pragma once

#include <fakequant/export.h>

#include <fakequant/compute.hpp>
#include <fakequant/error.hpp>
#include <fakequant/eval.hpp>
#include <fakequant/figures.hpp>
#include <fakequant/format.hpp>
#include <fakequant/plan.hpp>
#include <fakequant/recipe.hpp>
#include <fakequant/session.hpp>
#include <fakequant/study.hpp>
#include <fakequant/sweep.hpp>
#include <string>

namespace fakequant::FAKEQUANT_V0 {

// The version of the library: "0.1.0".
FAKEQUANT_API std::string version();

}  // namespace fakequant::FAKEQUANT_V0
