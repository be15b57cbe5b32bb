/* What the libraries show.
 *
 * FAKEQUANT_API marks the names that a shared library exports. Those of the C++ interface are in the namespace
 * fakequant::v0, which is inline: programs write fakequant::Session. The library's own sources, which have other types
 * in the namespace fakequant, define FAKEQUANT_INSIDE and see it as a namespace of its own.
 */
#ifndef FAKEQUANT_EXPORT_H
#define FAKEQUANT_EXPORT_H

#if defined(__GNUC__)
#define FAKEQUANT_API __attribute__((visibility("default")))
#else
#define FAKEQUANT_API
#endif

#ifdef FAKEQUANT_INSIDE
#define FAKEQUANT_V0 v0
#else
#define FAKEQUANT_V0 inline v0
#endif

#endif /* FAKEQUANT_EXPORT_H */
