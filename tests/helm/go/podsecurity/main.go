// Checks pods against the Pod Security Standards with the library that the Kubernetes API server
// itself uses. Reads a JSON array of {"name", "labels", "annotations", "spec"} on stdin and writes
// an array of the same length: for each pod the reasons why the level refuses it, empty where it
// does not.
//
//	podsecurity restricted < pods.json
package main

import (
	"encoding/json"
	"fmt"
	"os"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

type pod struct {
	Name        string            `json:"name"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	Spec        corev1.PodSpec    `json:"spec"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "podsecurity:", err)
		os.Exit(2)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return fmt.Errorf("usage: podsecurity LEVEL < pods.json")
	}
	level, err := api.ParseLevel(os.Args[1])
	if err != nil {
		return err
	}
	var pods []pod
	decoder := json.NewDecoder(os.Stdin)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&pods); err != nil {
		return err
	}
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return err
	}
	refusals := make([][]string, 0, len(pods))
	for _, each := range pods {
		meta := metav1.ObjectMeta{Name: each.Name, Labels: each.Labels, Annotations: each.Annotations}
		reasons := []string{}
		at := api.LevelVersion{Level: level, Version: api.LatestVersion()}
		for _, result := range evaluator.EvaluatePod(at, &meta, &each.Spec) {
			if !result.Allowed {
				reasons = append(reasons, result.ForbiddenReason+": "+result.ForbiddenDetail)
			}
		}
		refusals = append(refusals, reasons)
	}
	return json.NewEncoder(os.Stdout).Encode(refusals)
}
