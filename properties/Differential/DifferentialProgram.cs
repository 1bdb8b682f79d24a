using System.Globalization;
using System.Text;
using Dma.Iommu.Spec;

namespace Dma.Properties;

/// <summary>What software and devices do, from power-on.</summary>
/// <param name="Mode">The mode of the tables.</param>
/// <param name="Width">The width of addresses in the tables that are there at first.</param>
/// <param name="Steps">What follows, once translation is on.</param>
internal sealed record DifferentialProgram(TranslationTableMode Mode, AddressWidth Width, DifferentialStep[] Steps)
{
    public override string ToString()
    {
        StringBuilder text = new();
        _ = text.Append(CultureInfo.InvariantCulture, $"{Mode} tables of {(int)Width + 2} levels\n");
        for (int number = 0; number < Steps.Length; number++)
            _ = text.Append(CultureInfo.InvariantCulture, $"{number,4}: {Steps[number]}\n");
        return text.ToString();
    }
}
