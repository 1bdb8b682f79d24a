using Dma.Iommu.Spec;

namespace Dma.Hal;

/// <summary>Where a requester belongs: what the tables of either mode say in entries of their own.</summary>
/// <param name="Domain">The tag of what is cached of it.</param>
/// <param name="Space">What it reaches; null for all memory.</param>
/// <param name="TranslatesItself">Whether it may ask for translations, and keep them.</param>
internal readonly record struct RequesterEntry(DomainId Domain, RemappingDomain? Space, bool TranslatesItself);
