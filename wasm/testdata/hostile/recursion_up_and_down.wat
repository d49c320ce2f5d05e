;; end: deadline
;; Never deeper than it may, again and again.
(module
  (func $down (param i32) (result i32)
    (if (result i32) (local.get 0)
      (then (i32.add (i32.const 1) (call $down (i32.sub (local.get 0) (i32.const 1)))))
      (else (i32.const 0))))
  (func (export "f") (loop $l (drop (call $down (i32.const 1500))) (br $l))))
