//! A renderer of varied, recognisable pedestrians, for the demo, the tests and scale runs.
