// What a program that uses the generated types looks like: it must be accepted, and each wrong line refused.
import type { components, paths } from "./api";

type Answer = paths["/api/v1/process_points"]["post"]["responses"]["200"]["content"]["application/json"];
type Asked = paths["/api/v1/process_points"]["post"]["requestBody"]["content"]["application/json"];

export const asked: Asked = { points: [[1, 2], [3, 4]] };
export const status = (answer: Answer): number => answer.clusters.length + answer.outliers.length;
export const failed = (error: components["schemas"]["Error"]): string => error.error.code;
export const quality = (told: components["schemas"]["AlgorithmStatus"]): number => told.clustering_quality;
// @ts-expect-error: points are numbers
export const wrong: Asked = { points: "none" };
