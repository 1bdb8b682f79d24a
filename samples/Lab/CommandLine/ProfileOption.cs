using System.CommandLine;
using Dma.Iommu;

namespace Dma.Lab;

/// <summary>The option that chooses a remapping unit by the name of its profile.</summary>
internal sealed class ProfileOption : Option<string>
{
    /// <summary>The option <c>--profile</c>.</summary>
    /// <param name="what">Which unit it is, for the help; the names follow.</param>
    /// <param name="usual">The name where none is given.</param>
    public ProfileOption(string what, string usual)
        : base("--profile")
    {
        Description = $"{what}: {string.Join(", ", HardwareProfile.Names)}.";
        HelpName = "NAME";
        DefaultValueFactory = _ => usual;
        Validators.Add(static option =>
        {
            string name = option.GetValueOrDefault<string>() ?? "";
            if (!HardwareProfile.Names.Contains(name))
                option.AddError($"No profile is called '{name}'. There are: {string.Join(", ", HardwareProfile.Names)}.");
        });
    }
}
