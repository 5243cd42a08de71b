"""Detectors, detections and alerts: what users may be allowed so far."""
