// Checks manifests with the API server's own code: decoded, defaulted and validated as when they are
// created in a cluster. Reads YAML documents on stdin, writes one line for each problem, and exits
// with 1 where there is one. Kinds of other API groups are left to their schemas.
//
//	helm template ... | apivalidate
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/apis/apps"
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	appsvalidation "k8s.io/kubernetes/pkg/apis/apps/validation"
	"k8s.io/kubernetes/pkg/apis/autoscaling"
	_ "k8s.io/kubernetes/pkg/apis/autoscaling/install"
	autoscalingvalidation "k8s.io/kubernetes/pkg/apis/autoscaling/validation"
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	corevalidation "k8s.io/kubernetes/pkg/apis/core/validation"
	"k8s.io/kubernetes/pkg/apis/networking"
	_ "k8s.io/kubernetes/pkg/apis/networking/install"
	networkingvalidation "k8s.io/kubernetes/pkg/apis/networking/validation"
	"k8s.io/kubernetes/pkg/apis/policy"
	_ "k8s.io/kubernetes/pkg/apis/policy/install"
	policyvalidation "k8s.io/kubernetes/pkg/apis/policy/validation"
)

func main() {
	problems := 0
	documents := yaml.NewYAMLReader(bufio.NewReader(os.Stdin))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "apivalidate:", err)
			os.Exit(2)
		}
		for _, problem := range check(document) {
			fmt.Println(problem)
			problems++
		}
	}
	if problems > 0 {
		os.Exit(1)
	}
}

func check(document []byte) []string {
	object, kind, err := legacyscheme.Codecs.UniversalDecoder().Decode(document, nil, nil)
	if runtime.IsMissingKind(err) || runtime.IsNotRegisteredError(err) {
		return nil // nothing but a comment, or another group's kind
	}
	if err != nil {
		return []string{err.Error()}
	}
	found := []string{}
	for _, problem := range validate(object) {
		found = append(found, fmt.Sprintf("%s: %s", kind.Kind, problem.Error()))
	}
	return found
}

func validate(object runtime.Object) field.ErrorList {
	pods := corevalidation.PodValidationOptions{}
	switch each := object.(type) {
	case *apps.StatefulSet:
		each.Namespace = namespace(each.Namespace)
		return appsvalidation.ValidateStatefulSet(each, pods)
	case *apps.Deployment:
		each.Namespace = namespace(each.Namespace)
		return appsvalidation.ValidateDeployment(each, pods)
	case *core.Pod:
		each.Namespace = namespace(each.Namespace)
		return corevalidation.ValidatePodCreate(each, pods)
	case *core.ConfigMap:
		each.Namespace = namespace(each.Namespace)
		return corevalidation.ValidateConfigMap(each)
	case *core.ServiceAccount:
		each.Namespace = namespace(each.Namespace)
		return corevalidation.ValidateServiceAccount(each)
	case *core.Service:
		each.Namespace = namespace(each.Namespace)
		allocate(each)
		return corevalidation.ValidateServiceCreate(each)
	case *networking.NetworkPolicy:
		each.Namespace = namespace(each.Namespace)
		options := networkingvalidation.NetworkPolicyValidationOptions{}
		return networkingvalidation.ValidateNetworkPolicy(each, options)
	case *policy.PodDisruptionBudget:
		each.Namespace = namespace(each.Namespace)
		options := policyvalidation.PodDisruptionBudgetValidationOptions{}
		return policyvalidation.ValidatePodDisruptionBudget(each, options)
	case *autoscaling.HorizontalPodAutoscaler:
		each.Namespace = namespace(each.Namespace)
		options := autoscalingvalidation.HorizontalPodAutoscalerSpecValidationOptions{}
		return autoscalingvalidation.ValidateHorizontalPodAutoscaler(each, options)
	}
	return field.ErrorList{field.InternalError(nil, fmt.Errorf("no check is known for %T", object))}
}

// What is created without a namespace gets the release's.
func namespace(given string) string {
	if given == "" {
		return "release"
	}
	return given
}

// The API server gives a Service its address, and writes the one given into the list of them, before
// it validates it.
func allocate(service *core.Service) {
	if service.Spec.ClusterIP == "" {
		service.Spec.ClusterIP = "192.0.2.1"
		if len(service.Spec.IPFamilies) > 0 && service.Spec.IPFamilies[0] == core.IPv6Protocol {
			service.Spec.ClusterIP = "2001:db8::1"
		}
	}
	service.Spec.ClusterIPs = []string{service.Spec.ClusterIP}
}
