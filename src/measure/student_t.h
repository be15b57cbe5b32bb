// Student's t distribution, for means of few values.
#pragma once

namespace fakequant {

// P(T <= t) with `degrees` > 0 degrees of freedom, by the regularized incomplete beta function (NIST DLMF 8.17.5, its
// continued fraction 8.17.22). Right to 1e-12.
double student_t_cdf(double t, double degrees);

// The t with P(T <= t) = probability, for a probability in (0, 1).
double student_t_quantile(double probability, double degrees);

}  // namespace fakequant
