using System.CommandLine;
using Dma.UsbDevice;

namespace Dma.Lab;

/// <summary><c>dma run address-replacement</c>: VMs on one bus give their devices the same address.</summary>
internal sealed class RunAddressReplacement : SharingVerb
{
    private const string Nothing = "nothing";
    private const string Table = "table";
    private const string Setup = "setup";

    private readonly WordOption _assignment = new("--assignment", "Who chooses the address on the bus", "dynamic", "static", "software");

    private readonly WordOption _without = new("--without", "What the controller leaves out, to see what it is there for", Nothing, Table, Setup);

    /// <summary>The verb.</summary>
    public RunAddressReplacement(Terminal terminal)
        : base("address-replacement", "VMs share a USB controller, and each gives its disk the same address: the controller replaces it in every packet.", terminal) => Add(_assignment, _without);

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples =>
    [
        "run address-replacement",
        "run address-replacement --vms 4 --assignment static",
        "run address-replacement --without table",
        "run address-replacement --trace timeline.json",
    ];

    /// <inheritdoc/>
    protected override int Run(ParseResult line, int vms, ulong seed, FileStream? trace, bool isJson)
    {
        string without = line.GetRequiredValue(_without);
        AddressOptions options = new()
        {
            IsOn = without != Table,
            RewritesSetup = without != Setup,
            Assignment = Enum.Parse<AddressAssignment>(line.GetRequiredValue(_assignment), ignoreCase: true),
        };
        AddressReport report = new AddressRun(vms, options, seed, trace).Run();
        if (isJson)
            Terminal.WriteJson(report, SharingJson.Default.AddressReport);
        else
            SharingView.Write(Terminal.Output, report);
        return report.IsClean ? ExitCode.Ok : ExitCode.Violation;
    }
}
