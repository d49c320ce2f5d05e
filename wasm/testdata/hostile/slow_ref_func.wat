;; end: deadline
(module (global $g (mut funcref) (ref.null func)) (elem declare func $f)
  (func $f (export "f") (loop $l (global.set $g (ref.func $f)) (global.set $g (ref.func $f)) (global.set $g (ref.func $f)) (global.set $g (ref.func $f)) (br $l))))
