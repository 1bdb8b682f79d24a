using System.CommandLine;
using Dma.Drivers;
using Dma.Iommu;

namespace Dma.Lab;

/// <summary><c>dma compare policies</c>: the same guest work under each policy by which a device gets memory and loses it.</summary>
internal sealed class ComparePolicies : Verb
{
    private static readonly PolicyComparisonOptions _usual = new();

    private readonly WordsOption _policies = new("--policy", "NAME", "Only these policies; all of them without it", PolicyNames.All);

    private readonly Option<bool> _untranslated = new("--allow-untranslated")
    {
        Description = "Let the host give a device to a VM although nothing translates for it: it then reaches all memory of the host.",
    };

    private readonly WordOption _usb = new("--usb", "The controller of the guest", UsbControllers.Names, _usual.Controller);

    private readonly ProfileOption _profile = new("The remapping hardware", "friendly");

    private readonly WordOption _work = new("--work", "What the guest does with its disk", "read", "write", "mixed");

    private readonly Option<int> _transfers = Number("--transfers", "N", "How many transfers the guest does.", _usual.Transfers);
    private readonly Option<int> _bytes = Number("--bytes", "N", "Bytes of one transfer, a multiple of 512.", _usual.TransferBytes);
    private readonly Option<int> _buffers = Number("--buffers", "N", "How many buffers it uses in turns.", _usual.Buffers);
    private readonly Option<int> _waiting = Number("--waiting", "N", "How many unmaps may wait (deferred), or mappings be kept (optimistic).", _usual.WaitingMax);
    private readonly Option<ulong> _window = Number("--window-us", "N", "How long they may, in microseconds.", _usual.WaitingNsMax / 1000);
    private readonly Option<int> _pool = Number("--pool-kib", "N", "The pool of bounce, in KiB.", _usual.PoolBytes >> 10);
    private readonly Option<int> _attacks = Number("--attacks", "N", "How often the device goes on after an unmap.", _usual.Attacks);
    private readonly SeedOption _seed = new("What contents and moments come from");

    private readonly JsonOption _json = new();

    /// <summary>The verb.</summary>
    public ComparePolicies(Terminal terminal)
        : base("policies", "The same guest work under each policy by which a device gets memory and loses it: hypercalls, invalidations, pins, copies, time, and how long a device that lies gets through.", terminal)
    {
        Add(_policies, _untranslated, _usb, _profile, _work, _transfers, _bytes, _buffers, _waiting, _window, _pool, _attacks, _seed, _json);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples =>
    [
        "compare policies",
        "compare policies --allow-untranslated --usb ehci",
        "compare policies --policy strict --policy deferred --window-us 1000 --waiting 16",
        "compare policies --work mixed --bytes 4096 --transfers 256 --buffers 8 --json",
    ];

    /// <inheritdoc/>
    protected override int Run(ParseResult line)
    {
        PolicyComparisonOptions options = Read(line);
        string problem = options.FindProblem();
        if (problem.Length != 0)
            return Terminal.Refuse(problem);
        PolicyReport report;
        try
        {
            using ProgressLine progress = new(Terminal, "ran", "policies", 1);
            report = new PolicyComparison(options).Run(done => progress.Report((ulong)done, (ulong)options.Policies.Count));
        }
        catch (DriverException failure)
        {
            return Terminal.Refuse($"The guest could not do its work: {failure.Message}");
        }

        if (line.GetValue(_json))
            Terminal.WriteJson(report, PolicyJson.Default.PolicyReport);
        else
            PolicyView.Write(Terminal.Output, report);
        return report is { IsDataEqual: true, BrokenPromises.Count: 0 } ? ExitCode.Ok : ExitCode.Violation;
    }

    private PolicyComparisonOptions Read(ParseResult line)
    {
        string[] policies = line.GetValue(_policies) ?? [];
        return new()
        {
            Policies = policies.Length == 0 ? _usual.Policies : [.. policies.Distinct().Select(PolicyNames.Named)],
            AllowsUntranslated = line.GetValue(_untranslated),
            Controller = line.GetRequiredValue(_usb),
            Profile = HardwareProfile.Named(line.GetRequiredValue(_profile)),
            Work = Enum.Parse<PolicyWorkKind>(line.GetRequiredValue(_work), ignoreCase: true),
            Transfers = line.GetValue(_transfers),
            TransferBytes = line.GetValue(_bytes),
            Buffers = line.GetValue(_buffers),
            WaitingMax = line.GetValue(_waiting),
            WaitingNsMax = line.GetValue(_window) is var us && us <= ulong.MaxValue / 1000 ? us * 1000 : ulong.MaxValue,
            PoolBytes = line.GetValue(_pool) is var kib && kib is >= 0 and <= int.MaxValue >> 10 ? kib << 10 : -1,
            Attacks = line.GetValue(_attacks),
            Seed = line.GetValue(_seed),
        };
    }

    private static Option<T> Number<T>(string name, string unit, string description, T usual) => new(name)
    {
        Description = description,
        HelpName = unit,
        DefaultValueFactory = _ => usual,
    };
}
