;; error: only i32, i64, f32 and f64 can be passed
(module (func (export "f") (param funcref)))
