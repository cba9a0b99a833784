// The programs of the graphics card. Positions arrive in stored units (0 to 1, 1 is "not drawn") of two
// frames, between which `u_t` mixes: a change of layer sends nothing to the card.

const PLACED = `
  uniform float u_t;
  uniform mat3 u_matrix; // stored units -> pixels
  uniform vec3 u_shift;
  uniform vec2 u_size; // of the stage, in pixels
  uniform float u_depth;
  const float NONE = 0.99999;

  bool missing(vec3 from, vec3 to) {
    return (u_t < 1.0 && from.x > NONE) || (u_t > 0.0 && to.x > NONE);
  }
  vec3 placed(vec3 from, vec3 to) {
    return u_matrix * mix(from, to, u_t) + u_shift;
  }
  vec4 clip(vec3 pixels) {
    return vec4(2.0 * pixels.x / u_size.x - 1.0, 1.0 - 2.0 * pixels.y / u_size.y, -pixels.z / u_depth, 1.0);
  }
  const vec4 NOWHERE = vec4(2.0, 2.0, 2.0, 1.0);
`;

const TINTED = `
  uniform sampler2D u_tints; // one row: categories, or a scale from low to high; the last is "none"
  uniform vec2 u_tintMap; // of a scale: share = tint * x + y
  uniform float u_tintNone;
  uniform bool u_byCategory;
  uniform float u_worn;

  vec4 tinted(float tint) {
    if (tint > u_tintNone - 0.5) return texelFetch(u_tints, ivec2(255, 0), 0);
    if (u_byCategory) return texelFetch(u_tints, ivec2(min(tint, u_worn) + 0.5, 0), 0);
    float place = clamp(tint * u_tintMap.x + u_tintMap.y, 0.0, 1.0) * 254.0;
    return texelFetch(u_tints, ivec2(place + 0.5, 0), 0);
  }
`;

const POINT_VERTEX = `#version 300 es
  precision highp float;
  in vec3 a_from;
  in vec3 a_to;
  in float a_tintFrom;
  in float a_tintTo;
  in float a_chosen;
  ${PLACED}
  ${TINTED}
  uniform float u_point; // the diameter, in device pixels
  uniform vec4 u_fixed; // a colour for all, if its alpha is above 0
  uniform float u_shape; // a shape for all, if not negative
  uniform float u_shapes;
  uniform float u_alpha;
  uniform float u_dimmed; // the alpha of what is not selected
  uniform float u_fog;
  out vec4 v_color;
  flat out float v_shape;
  flat out float v_radius;
  flat out float v_side;

  void main() {
    float tint = u_byCategory ? a_tintTo : mix(a_tintFrom, a_tintTo, u_t);
    if (max(a_tintFrom, a_tintTo) > u_tintNone - 0.5) tint = a_tintTo;
    v_color = u_fixed.a > 0.0 ? u_fixed : tinted(tint);
    v_shape = u_shape >= 0.0 ? u_shape : (u_byCategory && tint < u_worn ? mod(floor(tint + 0.5), u_shapes) : 0.0);
    v_color.a *= u_alpha * mix(u_dimmed, 1.0, a_chosen);
    if (missing(a_from, a_to) || v_color.a == 0.0) {
      gl_Position = NOWHERE;
      return;
    }
    vec3 pixels = placed(a_from, a_to);
    gl_Position = clip(pixels);
    float near = 0.5 + 0.5 * pixels.z / u_depth;
    float size = u_point * mix(1.0, mix(0.7, 1.25, near), u_fog);
    v_color.a *= mix(1.0, mix(0.55, 1.0, near), u_fog);
    v_radius = 0.5 * size;
    if (size < 2.5) v_shape = 0.0; // too small to be told apart, and a circle needs the fewest pixels
    v_side = v_shape == 0.0 ? size + 1.0 : 1.36 * size + 1.0;
    gl_PointSize = v_side;
  }
`;

// Each shape is a signed distance in pixels, negative inside; all have about the area of the circle.
const POINT_FRAGMENT = `#version 300 es
  precision highp float;
  in vec4 v_color;
  flat in float v_shape;
  flat in float v_radius;
  flat in float v_side;
  uniform vec3 u_paper;
  uniform float u_halo; // pixels of paper around each point
  out vec4 color;

  float box(vec2 p, vec2 half_) {
    vec2 d = abs(p) - half_;
    return length(max(d, 0.0)) + min(max(d.x, d.y), 0.0);
  }
  float triangle(vec2 p, float r) {
    p.y -= 0.12 * r;
    return max(abs(p.x) * 0.866 - p.y * 0.5 - 0.62 * r, p.y - 0.62 * r);
  }
  float plus(vec2 p, float r) {
    return min(box(p, vec2(r * 1.05, r * 0.38)), box(p, vec2(r * 0.38, r * 1.05)));
  }
  float distance_(vec2 p, float r, int shape) {
    if (shape == 1) return box(p, vec2(r * 0.84));
    if (shape == 2) return triangle(p, r * 1.18);
    if (shape == 3) return (abs(p.x) + abs(p.y) - r * 1.2) * 0.7071;
    if (shape == 4) return plus(p, r);
    if (shape == 5) return plus(mat2(0.7071, 0.7071, -0.7071, 0.7071) * p, r);
    if (shape == 6) return abs(triangle(p, r)) - max(0.6, 0.14 * r);
    return length(p) - r;
  }

  void main() {
    vec2 p = (gl_PointCoord - 0.5) * v_side;
    float outline = min(u_halo, 0.3 * v_radius);
    float d = distance_(p, v_radius - outline, int(v_shape + 0.5));
    float body = clamp(0.5 - d, 0.0, 1.0);
    float cover = clamp(0.5 - d + outline, 0.0, 1.0) * v_color.a;
    if (cover < 0.004) discard;
    vec3 mixed_ = outline > 0.0 ? mix(u_paper, v_color.rgb, body) : v_color.rgb;
    color = vec4(mixed_ * cover, cover);
  }
`;

// A piece of a trail, or an arrow: one instance each, from a to b.
const LINE_VERTEX = `#version 300 es
  precision highp float;
  in vec3 a_from; // where it begins in the two frames
  in vec3 a_to;
  in vec3 b_from; // where it ends
  in vec3 b_to;
  in float a_tintFrom;
  in float a_chosen;
  ${PLACED}
  ${TINTED}
  uniform vec4 u_fixed;
  uniform float u_alpha;
  uniform float u_dimmed;
  uniform float u_width;
  uniform float u_head; // pixels of an arrow's head; 0 for none
  uniform float u_trim; // pixels left free at both ends
  out vec4 v_color;
  out float v_across;
  flat out float v_half;

  void main() {
    v_color = u_fixed.a > 0.0 ? u_fixed : tinted(a_tintFrom);
    v_color.a *= u_alpha * mix(u_dimmed, 1.0, a_chosen);
    v_half = 0.5 * u_width;
    v_across = 0.0;
    gl_Position = NOWHERE;
    if (missing(a_from, a_to) || missing(b_from, b_to) || v_color.a == 0.0) return;
    vec3 begin = placed(a_from, a_to);
    vec3 end = placed(b_from, b_to);
    vec2 along = end.xy - begin.xy;
    float far = length(along);
    if (far < 1.0 + u_trim) return; // a point that did not move has no arrow
    along /= far;
    vec2 aside = vec2(-along.y, along.x);
    float trim = min(u_trim, 0.25 * far);
    float head = min(u_head, 0.6 * far);
    vec2 tip = end.xy - along * trim;
    int corner = gl_VertexID;
    vec3 pixels;
    if (corner < 6) {
      bool ends = corner == 1 || corner == 2 || corner == 5;
      float side = corner == 0 || corner == 1 || corner == 4 ? 1.0 : -1.0;
      v_across = side * (v_half + 1.0);
      vec2 at = ends ? tip - along * head * 0.8 : begin.xy + along * trim;
      pixels = vec3(at + aside * v_across, ends ? end.z : begin.z);
    } else {
      vec2 at = tip;
      if (corner == 7) at = tip - along * head + aside * head * 0.42;
      if (corner == 8) at = tip - along * head - aside * head * 0.42;
      pixels = vec3(at, end.z);
    }
    gl_Position = clip(pixels);
  }
`;

const LINE_FRAGMENT = `#version 300 es
  precision highp float;
  in vec4 v_color;
  in float v_across;
  flat in float v_half;
  out vec4 color;

  void main() {
    float cover = clamp(v_half + 0.5 - abs(v_across), 0.0, 1.0) * min(2.0 * v_half, 1.0) * v_color.a;
    color = vec4(v_color.rgb * cover, cover);
  }
`;
