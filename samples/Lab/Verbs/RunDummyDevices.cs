using System.CommandLine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary><c>dma run dummy-devices</c>: VMs on one bus learn by dummy devices what the others have reserved.</summary>
internal sealed class RunDummyDevices : SharingVerb
{
    private readonly Option<bool> _noDummies = new("--no-dummies")
    {
        Description = "Leave dummy devices out: nobody learns what others have, and nobody is asked.",
    };

    private readonly Option<bool> _noPolicing = new("--no-policing")
    {
        Description = "Let the controller pass what a VM was not granted.",
    };

    private readonly Option<bool> _liar = new("--liar")
    {
        Description = "Let VM 1 have no driver for dummies, and send what it never asked for.",
    };

    /// <summary>The verb.</summary>
    public RunDummyDevices(Terminal terminal)
        : base("dummy-devices", "VMs stream over one USB bus; each has a dummy for the device of every other, whose driver reserves what that one has.", terminal) => Add(_noDummies, _noPolicing, _liar);

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples =>
    [
        "run dummy-devices",
        "run dummy-devices --no-dummies",
        "run dummy-devices --liar --no-policing",
        "run dummy-devices --vms 5 --trace timeline.json",
    ];

    /// <inheritdoc/>
    protected override int Run(ParseResult line, int vms, ulong seed, FileStream? trace, bool isJson)
    {
        ReservationSteps without = (line.GetValue(_noDummies) ? ReservationSteps.Dummies : 0) | (line.GetValue(_noPolicing) ? ReservationSteps.Policing : 0);
        bool hasLiar = line.GetValue(_liar);
        DummyReport other = new DummyRun(vms, without ^ ReservationSteps.Dummies, hasLiar, seed, trace: null).Run();
        DummyReport report = new DummyRun(vms, without, hasLiar, seed, trace).Run() with
        {
            Other = new(without.HasFlag(ReservationSteps.Dummies), other.OverAllocation, other.MissRate),
        };
        if (isJson)
            Terminal.WriteJson(report, SharingJson.Default.DummyReport);
        else
            DummyView.Write(Terminal.Output, report);
        return report.IsClean ? ExitCode.Ok : ExitCode.Violation;
    }
}
