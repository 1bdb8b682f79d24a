using Dma.Iommu;

namespace Dma.Lab;

/// <summary>The option <c>--profile</c>: a remapping unit by the name of its profile.</summary>
/// <param name="what">Which unit it is, for the help; the names follow.</param>
/// <param name="usual">The name where none is given.</param>
internal sealed class ProfileOption(string what, string usual) : WordOption("--profile", what, HardwareProfile.Names, usual);
