"""Experiments need TensorFlow on one thread, and it takes their number only before its start."""

import tensorflow as tf

tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
