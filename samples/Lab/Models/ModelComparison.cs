using Dma.Iommu;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Runs the same guest work by each model, each in a host of its own.</summary>
/// <param name="controllers">Names of <see cref="UsbControllers.Names"/>.</param>
/// <param name="profile">The remapping hardware.</param>
/// <param name="seed">What all chance comes from.</param>
internal sealed class ModelComparison(IReadOnlyList<string> controllers, HardwareProfile profile, ulong seed)
{
    private readonly List<ModelFigures> _work = [];
    private readonly List<ModelMediator> _mediators = [];
    private readonly List<ModelTransfer> _timelines = [];

    /// <summary>How many runs there are.</summary>
    public int Count => controllers.Count * Enum.GetValues<IoModel>().Length;

    /// <summary>Runs all.</summary>
    /// <param name="progress">Told how many runs are done.</param>
    public ModelReport Run(Action<int> progress)
    {
        int done = 0;
        foreach (string controller in controllers)
        {
            foreach (IoModel model in Enum.GetValues<IoModel>())
            {
                Run(controller, model);
                progress(++done);
            }
        }

        return new(_work, _mediators, _timelines, seed, profile.Name);
    }

    private void Run(string controller, IoModel model)
    {
        BusTrace requests = new();
        using ModelWorld world = new(model, controller, profile, seed, requests);
        ModelWork work = new(world, seed);
        world.Host.Loop.Run(async () =>
        {
            TransferLog log = new();
            WatchedUsb usb = new(await world.Start(), log);
            _mediators.Add(new(controller, model, world.Mediator));
            ModelMeter meter = new(world, log);
            ModelTimeline timeline = new(world, requests, log);
            await work.Run(
                usb,
                async (name, piece) =>
                {
                    requests.Clear();
                    meter.Start();
                    ModelOutcome outcome = await piece();
                    _work.Add(meter.Stop(name, outcome));
                },
                async read =>
                {
                    log.Clear();
                    timeline.Start();
                    await read();
                    _timelines.Add(new(controller, model, timeline.Stop()));
                });
        });
    }
}
